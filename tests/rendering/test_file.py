"""Long sounds in two passes: the same as in memory, whatever is kept in between."""

import numpy as np
import pytest
from support.plain_render import RATE, SMALL, noise

from cak_jax.effect.schema import EffectError
from cak_jax.rendering import blocks, file, in_memory
from cak_jax.rendering.ceiling import CEILING
from cak_jax.rendering.knob import Follower, Knob
from cak_jax.rendering.settings import RenderSettings


def make(audio, *, source=0.7, settings=None, rate=RATE, block=500, reads=None):
    """A rendering of a sound that is read in blocks; `reads` counts how often."""

    def read():
        if reads is not None:
            reads.append(1)
        return blocks.slices(audio, block)

    return file.Rendering(
        SMALL, read, rate, len(audio), Knob(source, "control"),
        settings or RenderSettings(),
    )  # fmt: skip


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiled(request, monkeypatch):
    """All sounds are rendered by JAX, or all of these short ones by NumPy."""
    if request.param:
        monkeypatch.setattr(blocks, "SHORT_SECONDS", -1.0)
    return request.param


@pytest.mark.parametrize("kept", [0, 1 << 24])
@pytest.mark.parametrize("rate", [RATE, 12000])
@pytest.mark.parametrize(
    ("loudness", "block"),
    [
        ("rms", 1),
        ("rms", 97),
        ("rms", 5000),
        ("none", 1),
        ("none", 97),
        ("lufs", 1),
        ("lufs", 97),
        ("lufs", 5000),
    ],
)
def test_equals_the_rendering_in_memory(
    loudness, block, rate, kept, compiled, monkeypatch
):
    monkeypatch.setattr(file, "KEPT_SAMPLES", kept)
    monkeypatch.setattr(blocks, "BLOCK_HOPS", 16)
    audio = noise(2, 300 if block == 1 else 6000)
    settings = RenderSettings(loudness=loudness)
    reads = []
    rendering = make(audio, settings=settings, rate=rate, block=block, reads=reads)
    rendering.measure()
    wet = np.concatenate(list(rendering.blocks()), axis=1)
    assert len(reads) == (1 if kept else 2)
    wanted = in_memory.render(SMALL, audio, rate, 0.7, loudness=loudness)
    np.testing.assert_allclose(wet, wanted, atol=1e-6)
    assert rendering.samples == audio.shape[-1]
    peak = np.abs(wet).max()
    if rendering.lowest == 1.0:
        assert rendering.peak == pytest.approx(peak, rel=1e-6)
    else:
        assert 0.995 * CEILING < peak <= rendering.peak == CEILING


def test_a_gain_on_top():
    audio = noise(1, 3000)
    rendering = make(audio)
    rendering.measure()
    once, half = (np.concatenate(list(rendering.blocks(g)), 1) for g in (1.0, 0.5))
    np.testing.assert_allclose(half, once / 2, rtol=1e-6)


@pytest.mark.parametrize("kept", [0, 1 << 24])
def test_control_zero_gives_the_input_bit_for_bit(kept, monkeypatch):
    monkeypatch.setattr(file, "KEPT_SAMPLES", kept)
    audio = noise(2, 3000, level=0.9)
    audio[:, :3] = [[1e38, -0.0, 1e-42]]
    rendering = make(audio, source=0.0)
    rendering.measure()
    assert (rendering.gain, rendering.gain_was_cut) == (1.0, False)
    wet = np.concatenate(list(rendering.blocks()), axis=1)
    assert wet.tobytes() == audio.tobytes()


def test_a_follower_hears_the_sound_anew(monkeypatch):
    monkeypatch.setattr(file, "KEPT_SAMPLES", 0)
    audio = noise(1, 4000)
    rendering = make(audio, source=Follower())
    rendering.measure()
    wet = np.concatenate(list(rendering.blocks()), axis=1)
    wanted = in_memory.render(SMALL, audio, RATE, Follower())
    np.testing.assert_allclose(wet, wanted, atol=1e-6)


def test_a_sound_that_changes_in_between_is_noticed(monkeypatch):
    monkeypatch.setattr(file, "KEPT_SAMPLES", 0)
    sounds = iter([noise(1, 3000), noise(1, 2999)])
    rendering = file.Rendering(
        SMALL, lambda: blocks.slices(next(sounds)), RATE, 1,
        Knob(0.7, "control"), RenderSettings(),
    )  # fmt: skip
    rendering.measure()
    with pytest.raises(EffectError, match="was changed while"):
        list(rendering.blocks())


@pytest.mark.parametrize("value", [1e300, 1e39])
def test_too_loud_is_said(value, compiled):
    audio = noise(1, 1000).astype(np.float64)
    audio[0, 500] = value
    with pytest.raises(EffectError, match="too loud"):
        make(audio).measure()


def test_what_float32_holds_is_not_too_loud(compiled):
    audio = noise(1, 1000)
    audio[0, 500] = 1e38
    rendering = make(audio)
    rendering.measure()
    wet = np.concatenate(list(rendering.blocks()), axis=1)
    assert np.isfinite(wet).all() and np.argmax(wet) == 500


def test_nothing_is_rendered_into_nothing(compiled):
    rendering = make(np.zeros((2, 0), np.float32))
    rendering.measure()
    assert (rendering.samples, rendering.gain, rendering.peak) == (0, 1.0, 0.0)
    assert not rendering.gain_was_cut
    assert sum(part.shape[-1] for part in rendering.blocks()) == 0


def test_progress_reaches_both_passes(monkeypatch):
    monkeypatch.setattr(file, "KEPT_SAMPLES", 0)
    audio, seen = noise(1, 3000), []
    rendering = file.Rendering(
        SMALL, lambda: blocks.slices(audio, 400), RATE, 1,
        Knob(0.7, "control"), RenderSettings(), seen.append,
    )  # fmt: skip
    rendering.measure()
    assert seen[-1] == 3000
    list(rendering.blocks())
    assert seen[-1] == 6000 and seen == sorted(seen)
