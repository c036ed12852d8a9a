"""Live: what comes out is what the whole sound gives, `latency` samples later."""

import dataclasses
import math

import numpy as np
import pytest
from support.plain_render import KNOB_TABLE, RATE, SMALL, noise

from cak_jax.effect.schema import EffectError
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import in_memory
from cak_jax.rendering.knob import Curve
from cak_jax.rendering.loudness import matching_gain
from cak_jax.rendering.settings import RenderSettings
from cak_jax.rendering.stream import Stream

PLAIN = RenderSettings(loudness="none", peaks="none")
MATCHED = RenderSettings(peaks="none")


def play(stream, audio):
    size = stream.block_size
    whole = audio.shape[-1] // size
    parts = [stream.process(audio[:, i * size : (i + 1) * size]) for i in range(whole)]
    parts.append(stream.finish(audio[:, whole * size :]))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("block_size", [1, 16, 24, 64, 100, 1000])
@pytest.mark.parametrize("samples", [5, 160, 1611])
def test_equals_the_whole(block_size, samples):
    audio = noise(2, samples)
    stream = Stream(SMALL, RATE, 2, block_size, control=0.7, settings=PLAIN)
    found = play(stream, audio)
    assert found.shape == (2, samples + stream.latency)
    assert not found[:, : min(samples, stream.latency)].any()
    wanted = in_memory.render(SMALL, audio, RATE, 0.7, loudness="none", peaks="none")
    np.testing.assert_allclose(found[:, stream.latency :], wanted, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"size": (3, 2)},
        {"flip": "time", "tilt": -0.5},
        {"channels": "independent"},
        {"mix": 0.3},
    ],
    ids=str,
)
def test_equals_the_whole_in_every_shape(options):
    audio = noise(2, 1500) * np.float32([[1.0], [0.2]])
    stream = Stream(SMALL, RATE, 2, 40, amount=0.6,
                    settings=dataclasses.replace(PLAIN, **options))  # fmt: skip
    wanted = in_memory.render(
        SMALL, audio, RATE, amount=0.6, loudness="none", peaks="none", **options
    )
    found = play(stream, audio)[:, stream.latency :]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_equals_the_whole_with_spacing_and_a_knob_table():
    effect = dataclasses.replace(SMALL, spacing=(2, 3), knob=KNOB_TABLE)
    audio = noise(2, 1500)
    settings = RenderSettings(loudness="none", peaks="none", size=(2, 1))
    stream = Stream(effect, RATE, 2, 40, amount=0.6, settings=settings)
    wanted = in_memory.render(
        effect, audio, RATE, amount=0.6, loudness="none", peaks="none", size=(2, 1)
    )
    assert np.abs(wanted - audio).max() > 0.1
    found = play(stream, audio)[:, stream.latency :]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    # Six frames in blocks of 40, and the segment of the limit.
    assert stream.latency == 64 + 6 * 16 - 8 + 16


@pytest.mark.parametrize("rate", [12000, 11025, 44100, 7999])
@pytest.mark.parametrize("block_size", [64, 441])
def test_equals_the_whole_at_another_rate(rate, block_size):
    audio = noise(2, 6000)
    stream = Stream(SMALL, rate, 2, block_size, control=0.7, settings=PLAIN)
    found = play(stream, audio)
    assert found.shape == (2, 6000 + stream.latency)
    wanted = in_memory.render(SMALL, audio, rate, 0.7, loudness="none", peaks="none")
    np.testing.assert_allclose(found[:, stream.latency :], wanted, atol=2e-6)


@pytest.mark.parametrize("rate, block_size", [(11025, 64), (44100, 512)])
def test_the_latency_is_enough_however_long_it_plays(rate, block_size):
    """The bursts of two resamplers meet at their worst only after many seconds."""
    spectrogram = SpectrogramSettings(RATE, 512, 128)
    effect = dataclasses.replace(SMALL, spectrogram=spectrogram)
    stream = Stream(effect, rate, 1, block_size, control=0.0, settings=PLAIN)
    spared = []
    for _ in range(40 * rate // block_size):
        stream.process(np.zeros((1, block_size), np.float32))
        spared.append(stream._added.shape[-1])
    # And not much more than that, and the segment of the limit, which bursts may hide.
    assert min(spared) < 0.01 * rate + 16 * rate / RATE


@pytest.mark.parametrize(
    "n_fft, hop, segment", [(64, 16, 16), (48, 16, 8), (80, 16, 8), (32, 16, 16)]
)
@pytest.mark.parametrize("look", [1, 4])
def test_latency_is_as_the_formula_says(n_fft, hop, segment, look):
    effect = dataclasses.replace(
        SMALL, spectrogram=SpectrogramSettings(RATE, n_fft, hop)
    )
    settings = RenderSettings(loudness="none", peaks="none", size=(look, 1))
    for block_size in (1, 8, 16, 24, 32, 50, 96):
        common = math.gcd(block_size, hop)
        wanted = n_fft + look * hop - common + (-n_fft // 2) % common + segment
        stream = Stream(effect, RATE, 1, block_size, control=1.0, settings=settings)
        assert stream.latency == wanted, block_size


def test_an_impulse_arrives_after_the_latency():
    stream = Stream(SMALL, RATE, 1, 16, control=0.0, settings=PLAIN)
    audio = np.zeros((1, 400), np.float32)
    audio[0, 37] = 1.0
    assert np.argmax(play(stream, audio)[0]) == 37 + stream.latency


@pytest.mark.parametrize("rate", [RATE, 12000])
def test_control_zero_and_mix_zero_give_the_input_bit_for_bit(rate):
    audio = noise(2, 2000, level=0.9)
    for control, mix in ((0.0, 1.0), (1.0, 0.0)):
        stream = Stream(SMALL, rate, 2, 50, control=control, match_seconds=0.1,
                        settings=dataclasses.replace(MATCHED, mix=mix))  # fmt: skip
        found = play(stream, audio)[:, stream.latency :]
        assert found.tobytes() == audio.tobytes()


def test_the_knob_turns_while_it_plays():
    """Each half as if it had always stood so, but for the windows that see both."""
    audio = noise(1, 4000)
    stream = Stream(SMALL, RATE, 1, 100, control=0.2, settings=PLAIN)
    parts = []
    for number in range(40):
        if number == 20:
            stream.set_knob(control=0.9)
        parts.append(stream.process(audio[:, number * 100 : (number + 1) * 100]))
    found = np.concatenate([*parts, stream.finish()], axis=1)[:, stream.latency :]
    before, after = (
        in_memory.render(SMALL, audio, RATE, c, loudness="none", peaks="none")
        for c in (0.2, 0.9)
    )
    near = 2 * SMALL.spectrogram.n_fft
    np.testing.assert_allclose(
        found[:, : 2000 - near], before[:, : 2000 - near], atol=1e-6
    )
    np.testing.assert_allclose(
        found[:, 2000 + near :], after[:, 2000 + near :], atol=1e-6
    )
    # In between it goes over without a step larger than either half has.
    steps = np.abs(np.diff(found - audio, axis=1))
    assert steps[:, 2000 - near : 2000 + near].max() <= 1.2 * steps.max(
        where=np.abs(np.arange(3999) - 2000)[None] > near, initial=0
    )


@pytest.mark.parametrize("loudness", ["lufs", "rms"])
def test_a_running_match_keeps_the_level(loudness):
    audio = noise(2, 16000)
    settings = RenderSettings(loudness=loudness, peaks="none")
    loud, matched = (
        play(Stream(SMALL, RATE, 2, 100, control=1.0, match_seconds=s,
                    settings=settings), audio)
        for s in (0.0, 0.25)
    )  # fmt: skip
    dry, loud, matched = (sound[:, 8000:16000] for sound in (audio, loud, matched))
    gain = matching_gain(dry, loud, RATE, loudness)
    assert gain < 0.7
    assert matching_gain(dry, matched, RATE, loudness) == pytest.approx(1, rel=0.03)


def test_a_bad_sample_does_not_stay():
    audio = noise(1, 4000)
    audio[0, 100:103] = [np.nan, np.inf, -np.inf]
    stream = Stream(
        SMALL, 12000, 1, 100, control=0.8, match_seconds=0.1, settings=MATCHED
    )
    found = play(stream, audio)
    assert np.isfinite(found).all()
    clean = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
    stream = Stream(
        SMALL, 12000, 1, 100, control=0.8, match_seconds=0.1, settings=MATCHED
    )
    np.testing.assert_array_equal(found, play(stream, clean))


def test_what_is_wrong_is_named():
    def make(**changes):
        given = {"sample_rate": RATE, "channels": 2, "block_size": 64, "control": 0.5}
        given |= changes
        return Stream(SMALL, **given)

    for changes, word in [
        ({"block_size": 0}, "block_size"),
        ({"block_size": 1.5}, "block_size"),
        ({"channels": 0}, "channels"),
        ({"channels": 65}, "channels"),
        ({"sample_rate": 10}, "sample_rate"),
        ({"control": None}, "control"),
        ({"control": 0.5, "amount": 0.5}, "control"),
        ({"control": float("nan")}, "control"),
        ({"control": Curve((0.0,), (1.0,))}, "number, got Curve"),
        ({"match_seconds": -1}, "match_seconds"),
        (
            {
                "settings": RenderSettings(
                    mode="published", loudness="none", peaks="none"
                )
            },
            "mode",
        ),
    ]:
        with pytest.raises(EffectError, match=word):
            make(**changes)
    stream = make()
    for block in (np.zeros((2, 63)), np.zeros((64, 2)), np.zeros(64)):
        with pytest.raises(EffectError, match="a block must be"):
            stream.process(block)
    with pytest.raises(EffectError, match="rest"):
        stream.finish(np.zeros((1, 3)))
    stream.finish()
    with pytest.raises(EffectError, match="finished"):
        stream.process(np.zeros((2, 64)))
