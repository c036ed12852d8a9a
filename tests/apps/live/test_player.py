"""What a device calls: the effect, the bypass, and faults."""

import collections

import numpy as np
import pytest
from support.plain_render import RATE, SMALL, noise

from cak_jax.apps.live.player import FADE_SECONDS, Player
from cak_jax.rendering import in_memory
from cak_jax.rendering.settings import RenderSettings
from cak_jax.rendering.stream import Stream

SIZE = 64
AUDIO = noise(2, 2000, level=0.02)
BLOCKS = len(AUDIO[0]) // SIZE


def make(audio=AUDIO, control=0.7, late=()):
    """Make a player of a sound; the blocks in `late` come too late."""
    settings = RenderSettings(peaks="none")
    stream = Stream(SMALL, RATE, len(audio), SIZE, control=control, settings=settings)
    blocks = collections.deque(
        audio[:, start : start + SIZE] for start in range(0, audio.shape[1], SIZE)
    )
    if audio.shape[1] % SIZE == 0:
        blocks.append(audio[:, :0])
    for number in sorted(late):
        blocks.insert(number, None)
    return Player(stream, lambda: blocks.popleft() if blocks else None)


def run(player, before=lambda number: None, channels=2):
    """Play to the end; return `[channels, n]`."""
    found = []
    while not player.over and len(found) < 1000:
        before(len(found))
        out = np.full((SIZE, channels), np.nan, np.float32)
        assert player.fill(out) is player.over
        found.append(out.T)
    return np.concatenate(found, axis=1)


def offline(audio, control=0.7):
    return in_memory.render(SMALL, audio, RATE, control, loudness="none", peaks="none")


def after(found, latency, count):
    """Return the part of the output that holds the sound; the rest must be silent."""
    assert not found[:, :latency].any() and not found[:, latency + count :].any()
    return found[:, latency : latency + count]


@pytest.mark.parametrize("samples", [0, 5, 63, 64, 128, 2000])
def test_plays_what_rendering_gives_to_the_last_sample(samples):
    audio = AUDIO[:, :samples]
    player = make(audio)
    found = after(run(player), player.latency, samples)
    if samples:
        np.testing.assert_allclose(found, offline(audio), atol=1e-6)
    assert (player.underruns, player.limited, player.repaired) == (0, 0, 0)
    assert player.error is None and 0 < player.load <= player.worst


def test_a_mono_sound_goes_to_both_sides():
    player = make(AUDIO[:1])
    found = run(player)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(
        after(found, player.latency, 2000)[:1], offline(AUDIO[:1]), atol=1e-6
    )


def test_bypass_is_the_dry_sound_as_late_and_fades_over():
    player = make()
    switches = {8: True, 20: False}

    def press(number):
        player.bypass = switches.get(number, player.bypass)

    found = after(run(player, press), player.latency, 2000)
    # The ceiling delays the sound after the fade.
    position = np.arange(2000) + player._stream.latency
    length = FADE_SECONDS * RATE
    share = np.interp(
        position + 1,
        [8 * SIZE, 8 * SIZE + length, 20 * SIZE, 20 * SIZE + length],
        [0, 1, 1, 0],
    )
    wet = offline(AUDIO)
    np.testing.assert_allclose(found, wet + (AUDIO - wet) * share, atol=2e-6)
    assert 300 < (share == 1).sum() < 800
    assert (found[:, share == 1] == AUDIO[:, share == 1]).all()


def test_what_comes_too_late_is_silence_and_lost_is_nothing():
    late = [0, 5, 6, 17]
    player = make(late=late)
    found = run(player)
    assert player.underruns == len(late)
    kept = [n for n in range(found.shape[1] // SIZE) if n not in late]
    blocks = np.stack(np.split(found, found.shape[1] // SIZE, axis=1))
    assert not blocks[late].any()
    sound = np.concatenate(blocks[kept], axis=1)
    np.testing.assert_allclose(
        after(sound, player.latency, 2000), offline(AUDIO), atol=1e-6
    )


def test_what_the_device_missed_is_counted():
    player = make()
    out = np.zeros((SIZE, 2), np.float32)
    for number in range(4):
        player.fill(out, missed=number == 2)
    assert player.underruns == 1


def test_bad_samples_become_silence_and_are_counted():
    bad = AUDIO.copy()
    bad[0, 100:104] = [np.nan, np.inf, -np.inf, 1e30]
    clean = np.where(bad == AUDIO, bad, 0).astype(np.float32)
    player = make(bad)
    found = after(run(player), player.latency, 2000)
    np.testing.assert_allclose(found, offline(clean), atol=1e-6)
    assert player.repaired == 4 and player.limited == 0


def test_no_bad_sample_reaches_the_device_whatever_renders(monkeypatch):
    player = make()
    process = player._stream.process

    def broken(block):
        wet = process(block)
        wet[1, 3] = np.nan
        return wet

    monkeypatch.setattr(player._stream, "process", broken)
    assert np.isfinite(run(player)).all()
    assert player.repaired == BLOCKS


@pytest.mark.parametrize("level", [1.0, 15.0])
def test_loud_sound_is_turned_down_and_counted(level):
    loud = np.clip(noise(2, 2000, level=level), -15, 15)
    player = make(loud, control=1.0)
    assert np.abs(offline(loud, 1.0)).max() > 2
    found = run(player)
    assert 0.5 < np.abs(found).max() <= 10 ** (-1 / 20) * (1 + 1e-6)
    assert 0 < player.limited <= player.blocks and player.repaired == 0
    assert player.take_peak() == np.abs(found).max() and player.take_peak() == 0


def test_leaving_fades_out_within_a_block():
    player, whole = make(), run(make())

    def press(number):
        player.leaving = number == 10

    found = run(player, press)
    assert found.shape[1] == 11 * SIZE
    np.testing.assert_array_equal(found[:, : 10 * SIZE], whole[:, : 10 * SIZE])
    ramp = np.linspace(1, 0, SIZE, dtype=np.float32)
    wanted = whole[:, 10 * SIZE : 11 * SIZE] * ramp
    np.testing.assert_array_equal(found[:, 10 * SIZE :], wanted)


def test_leaving_does_not_wait_for_sound():
    player = make(late=[3])
    found = run(player, lambda number: setattr(player, "leaving", number == 3))
    assert found.shape[1] == 4 * SIZE and player.underruns == 0


@pytest.mark.parametrize("channels", [2, 3])
def test_an_error_ends_it_and_is_kept(monkeypatch, channels):
    player = make()
    if channels == 2:
        monkeypatch.setattr(player._stream, "process", lambda block: 1 / 0)
    found = run(player, channels=channels)
    assert found.shape == (channels, SIZE) and not found.any()
    assert isinstance(player.error, ZeroDivisionError if channels == 2 else ValueError)


def test_a_live_input_is_heard():
    player = Player(Stream(SMALL, RATE, 2, SIZE, control=0.7), None)
    found = []
    for start in range(0, BLOCKS * SIZE, SIZE):
        out = np.full((SIZE, 2), np.nan, np.float32)
        assert not player.fill(out, AUDIO[:, start : start + SIZE].T)
        found.append(out.T)
    found = np.concatenate(found, axis=1)[:, player.latency :]
    # The last frame is left out, because its right half has not been heard yet.
    known = found.shape[1] - SMALL.spectrogram.n_fft
    wanted = offline(AUDIO)[:, :known]
    np.testing.assert_allclose(found[:, :known], wanted, atol=1e-6)
