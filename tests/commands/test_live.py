"""Live, with a fake device that calls back: what is heard is what rendering gives."""

import dataclasses
import functools
import sys

import numpy as np
import pytest
import soundfile
from support.applying import HEARD, effect_file
from support.plain_render import RATE, SMALL, noise
from support.sound_devices import Card, device
from support.sounds import put

from cak_jax.apps.live import session
from cak_jax.commands import live
from cak_jax.effect.morph import morph
from cak_jax.rendering import ceiling, in_memory
from cak_jax.rendering.settings import RenderSettings
from cak_jax.rendering.stream import Stream

SIZE = 64
OTHER = dataclasses.replace(SMALL, name="other", kernel=SMALL.kernel[::-1], bias=0.01)


@pytest.fixture
def card(monkeypatch):
    """Put a fake module in the place of sounddevice."""
    fake = Card(device("Cheap Card"))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(session, "LOOK_SECONDS", 0.0)
    return fake


@pytest.fixture
def effect(tmp_path):
    return effect_file(tmp_path, SMALL)


@pytest.fixture
def play(card, effect):
    """Call the command; return its code and what the device played, `[channels, n]`."""

    def run(*arguments, **options):
        options = {"effect": effect, "block-size": SIZE, "match": 0} | options
        if "amount" not in options:
            options.setdefault("control", 0.7)
        flags = [f"--{name}={value}" for name, value in options.items()]
        code = live.main([*map(str, arguments), *flags])
        played = np.concatenate([np.zeros((0, 2), np.float32), *card.played])
        return code, played.T

    return run


@functools.cache
def latency_of(rate=RATE):
    """The stream's latency and the ceiling's."""
    settings = RenderSettings(peaks="none")
    stream = Stream(SMALL, rate, 2, SIZE, control=0.7, settings=settings)
    return stream.latency + ceiling.delay(rate, SIZE)


def heard(played, count, latency=None):
    """The sound itself; before it and after it there is silence."""
    latency = latency_of() if latency is None else latency
    assert not played[:, :latency].any() and not played[:, latency + count :].any()
    return played[:, latency : latency + count]


AUDIO = noise(2, 1611, level=0.02)

SHAPES = [
    {},
    {"amount": 0.4},
    {"size": "2", "mix": 0.3},
    {"size": "3x2", "tilt": -0.5},
    {"flip": "both"},
    {"channels": "independent"},
    {"control": 0},
]


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_a_file_sounds_as_rendered(tmp_path, play, card, capsys, options):
    code, played = play(put(tmp_path, "x.wav", AUDIO.T), **options)
    assert code == 0
    plain = {"control": 0.7} if "amount" not in options else {}
    plain |= options
    if "size" in plain:
        plain["size"] = (2, 2) if plain["size"] == "2" else (3, 2)
    wanted = in_memory.render(
        SMALL, AUDIO, RATE, loudness="none", peaks="none", **plain
    )
    # Look-ahead grows with the kernel's frames.
    more = (plain.get("size", (1, 1))[0] - 1) * SMALL.spectrogram.hop_length
    found = heard(played, 1611, latency_of() + more)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    [stream] = card.streams
    assert stream["samplerate"] == RATE and stream["blocksize"] == SIZE
    out, err = capsys.readouterr()
    first, last = out.splitlines()
    assert first.startswith(
        f"small on Cheap Card: 8000 Hz, channels 2, latency {latency_of() + more} "
        "samples"
    )
    assert "underruns 0" in last and "limited" not in last and err == ""


def test_an_effect_of_version_2_sounds_as_rendered(tmp_path, play, capsys):
    heard_effect = dataclasses.replace(
        SMALL, spacing=(4, 3), quality=HEARD.quality, knob=HEARD.knob
    )
    path = effect_file(tmp_path, heard_effect)
    code, played = play(
        put(tmp_path, "x.wav", AUDIO.T), effect=path, amount=0.5, size="2"
    )
    assert code == 0
    wanted = in_memory.render(
        heard_effect, AUDIO, RATE, amount=0.5, loudness="none", peaks="none", size=2
    )
    more = (2 * 3 - 1) * SMALL.spectrogram.hop_length
    found = heard(played, 1611, latency_of() + more)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == [
        "more sustained: less attack, by 0.75 natural log at amount 1",
        "even knob: amount 0.5 is 60% of the pattern, amount 1 120%",
        "cells 4 bins and 3 frames apart",
    ]


@pytest.mark.parametrize("rate", [12000, 44100])
def test_a_file_plays_at_its_own_rate(tmp_path, play, card, rate):
    code, played = play(put(tmp_path, "x.wav", AUDIO.T, rate))
    assert code == 0 and card.streams[0]["samplerate"] == rate
    wanted = in_memory.render(SMALL, AUDIO, rate, 0.7, loudness="none", peaks="none")
    found = heard(played, 1611, latency_of(rate))
    np.testing.assert_allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_mono_file_goes_to_both_sides_where_there_are_two(
    tmp_path, play, card, outputs
):
    card.all[0]["max_output_channels"] = outputs
    samples = AUDIO[:1].T
    path = put(tmp_path, "x.wav", samples)
    if outputs == 1:
        # The fixture joins pairs.
        card.played = Pairs()
    code, played = play(path)
    assert code == 0 and card.streams[0]["channels"] == outputs
    wanted = in_memory.render(
        SMALL, AUDIO[:1], RATE, 0.7, loudness="none", peaks="none"
    )
    found = heard(played, 1611)
    np.testing.assert_allclose(found, np.repeat(wanted, 2, axis=0), atol=1e-6)


class Pairs(list):
    """Keeps a mono block as two channels."""

    def append(self, block):
        assert block.shape == (SIZE, 1)
        super().append(np.repeat(block, 2, axis=1))


@pytest.mark.parametrize("weights", [None, "3,1"])
def test_an_effect_between_two(tmp_path, card, effect, capsys, weights):
    other = tmp_path / "other"
    other.mkdir()
    other = effect_file(other, OTHER)
    flags = [] if weights is None else [f"--weights={weights}"]
    path = put(tmp_path, "x.wav", AUDIO.T)
    code = live.main([str(path), f"--effect={effect}", f"--effect={other}", *flags,
                      "--amount=0.8", f"--block-size={SIZE}", "--match=0"])  # fmt: skip
    assert code == 0
    between = morph([SMALL, OTHER], [1, 1] if weights is None else [3, 1])
    assert capsys.readouterr().out.startswith(f"{between.name} on ")
    wanted = in_memory.render(
        between, AUDIO, RATE, amount=0.8, loudness="none", peaks="none"
    )
    found = heard(np.concatenate(card.played).T, 1611)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_loud_sound_stays_below_the_ceiling_and_that_is_said(tmp_path, play, capsys):
    loud = noise(2, 4000, level=0.5)
    code, played = play(put(tmp_path, "x.wav", loud.T), control=1)
    assert code == 0 and np.abs(played).max() <= 10 ** (-1 / 20) * (1 + 1e-6)
    assert "limited" in capsys.readouterr().out.splitlines()[-1]


def test_the_match_keeps_the_level(tmp_path, play):
    code, played = play(put(tmp_path, "x.wav", noise(2, 8000, level=0.02).T),
                        control=1, match=0.1, loudness="rms")  # fmt: skip
    assert code == 0
    assert np.std(played[:, 4000:8000]) == pytest.approx(0.02, rel=0.1)


class Fingers:
    """Presses keys before blocks of some numbers, as a `Keyboard` would tell."""

    listens = True

    def __init__(self, card, presses):
        self._waiting, self._presses = [], presses
        card.during = self._press

    def _press(self, number):
        self._waiting += self._presses.pop(number, [])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def keys(self, seconds):
        found, self._waiting = self._waiting, []
        return found


@pytest.fixture
def press(card, monkeypatch):
    """Have keys pressed while it plays, a block at a time."""
    monkeypatch.setattr("support.sound_devices.BURST", 1)

    def prepare(presses):
        fingers = Fingers(card, presses)
        monkeypatch.setattr(session, "Keyboard", lambda: fingers)

    return prepare


def test_the_knob_turns_without_a_click(tmp_path, play, press, capsys):
    """Each stretch as if it had always stood so; no steps in between."""
    audio = noise(2, 6400, level=0.02)
    # Shown, and so in force, from the block after.
    press({39: ["9"], 69: ["down", "-", "x", "up"]})
    code, played = play(put(tmp_path, "x.wav", audio.T), amount=0.2)
    assert code == 0 and "q quits" in capsys.readouterr().out
    found = heard(played, 6400)
    near, stretches = 200, [(0, 40, 0.2), (40, 70, 0.9), (70, 100, 0.85)]
    stills = []
    for first, last, amount in stretches:
        wanted = in_memory.render(
            SMALL, audio, RATE, amount=amount, loudness="none", peaks="none"
        )
        part = slice(first * SIZE + near * (first > 0), last * SIZE - near)
        np.testing.assert_allclose(found[:, part], wanted[:, part], atol=1e-6)
        stills.append(np.abs(np.diff(wanted - audio, axis=1)).max())
    assert np.abs(np.diff(found - audio, axis=1)).max() <= 1.2 * max(stills)


def test_bypass_and_quit(tmp_path, play, press, card):
    press({10: ["b"], 30: ["q"]})
    code, played = play(put(tmp_path, "x.wav", noise(2, 6400, level=0.02).T))
    assert code == 0
    dry = noise(2, 6400, level=0.02)
    latency = latency_of()
    # 20 ms of fading over, and the last block fades out.
    span = slice(15 * SIZE, 30 * SIZE)
    assert (played[:, span] == dry[:, 15 * SIZE - latency : 30 * SIZE - latency]).all()
    assert not played[:, 32 * SIZE :].any()
    # The device's own 20 ms of silence, in whole blocks.
    assert played.shape[1] // SIZE == 32 + 3


def test_a_live_input_sounds_as_rendered(play, press, card, capsys):
    card.heard, card.missed = noise(2, 3200, level=0.02), {3, 7}
    press({50: ["q"]})
    code, played = play()
    assert code == 0 and "underruns 2" in capsys.readouterr().out
    [stream] = card.streams
    assert stream["device"] == (0, 0) and stream["samplerate"] == RATE
    latency = latency_of()
    wanted = in_memory.render(
        SMALL, card.heard, RATE, 0.7, loudness="none", peaks="none"
    )
    found = played[:, latency : 3000 + latency]
    np.testing.assert_allclose(found, wanted[:, :3000], atol=1e-6)


def test_a_live_input_takes_the_device_s_rate_where_it_must(play, press, card):
    card.rates = (12000,)
    card.all[0] |= {"default_samplerate": 12000.0, "max_input_channels": 8}
    press({5: ["q"]})
    assert play()[0] == 0
    assert card.streams[0]["samplerate"] == 12000
    assert card.streams[0]["channels"] == (2, 2)


def test_a_loop_goes_on(tmp_path, play, press):
    audio = noise(2, 999, level=0.02)
    press({60: ["q"]})
    code, played = play("--loop", put(tmp_path, "x.wav", audio.T))
    assert code == 0
    wanted = in_memory.render(
        SMALL, np.tile(audio, 5), RATE, 0.7, loudness="none", peaks="none"
    )
    latency = latency_of()
    found = played[:, latency : 3000 + latency]
    np.testing.assert_allclose(found, wanted[:, :3000], atol=1e-6)


def test_a_damaged_file_plays_as_far_as_it_goes(tmp_path, play, capsys):
    path = tmp_path / "x.flac"
    samples = noise(2, 9000, level=0.02)
    soundfile.write(path, samples.T, RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:14000])
    code, played = play(path, control=0)
    assert code == 0
    err = capsys.readouterr().err
    assert err.startswith(f"note: {path} is cut short: ") and err.count("\n") == 1
    whole = np.flatnonzero(played.any(axis=0))[-1] + 1 - latency_of()
    assert whole >= 4000
    found = played[:, latency_of() : latency_of() + whole]
    np.testing.assert_allclose(found, samples[:, :whole], atol=2**-15)


def test_what_the_end_of_a_file_tells_is_said(tmp_path, play, capsys):
    path = put(
        tmp_path,
        "x.flac",
        noise(2, 900, level=0.02).T,
        RATE,
        format="FLAC",
        subtype="PCM_16",
    )
    data = bytearray(path.read_bytes())
    data[22:26] = (1000).to_bytes(4, "big")
    path.write_bytes(data)
    assert play(path, control=0)[0] == 0
    said = f"{path} declares 1000 samples and holds 900"
    assert capsys.readouterr().err.count(said) == 1
