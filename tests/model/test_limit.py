"""What is added is held below the dry sound: its law, its edges, its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.plain_render import noise, plain_limit

from cak_jax.model.limit import Segments, floor_power, limit, segments_of
from cak_jax.model.spectrogram_settings import SpectrogramSettings

SETTINGS = SpectrogramSettings(8000, 64, 16)
SEGMENTS = segments_of(SETTINGS)
SEGMENT, HISTORY = 16, 16
SILENT = -200.0


def held(added, dry, decibels=SILENT, linked=False):
    """`limit` for sounds that silence surrounds."""
    added = np.pad(added, ((0, 0), (SEGMENT, SEGMENT)))
    dry = np.pad(dry, ((0, 0), (HISTORY + SEGMENT, SEGMENT)))
    return np.asarray(limit(added, dry, floor_power(decibels), SEGMENTS, linked=linked))


@pytest.mark.parametrize(
    "rate, n_fft, hop, wanted",
    [
        (44100, 2048, 512, Segments(16, 6)),
        (8000, 64, 16, Segments(16, 1)),
        (8000, 48, 16, Segments(8, 2)),
        (44100, 1764, 441, Segments(9, 10)),
        (192000, 256, 64, Segments(16, 24)),
    ],
)
def test_segments_fill_a_hop_and_half_a_window(rate, n_fft, hop, wanted):
    found = segments_of(SpectrogramSettings(rate, n_fft, hop))
    assert found == wanted
    assert hop % found.length == 0 == (n_fft // 2) % found.length


@pytest.mark.parametrize("decibels", [SILENT, -60.0, -20.0])
def test_equals_its_formula_in_double_precision(decibels):
    dry, added = noise(2, 800), noise(2, 800, seed=1, level=0.3)
    dry[:, 200:300], added[:, 600:640] = 0.0, 0.0
    # A segment of silence around, and no more, as `limit` sees it.
    sides = ((0, 0), (SEGMENT, SEGMENT))
    wanted = plain_limit(
        np.pad(dry, sides).astype(float), np.pad(added, sides).astype(float),
        8000, 16, decibels,
    )[:, SEGMENT:-SEGMENT]  # fmt: skip
    found = held(added, dry, decibels, linked=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-8)


def test_nothing_sounds_before_a_stroke_or_after_2_ms_of_silence():
    dry, added = np.zeros((1, 480), np.float32), noise(1, 480)
    dry[:, 160:240] = 1.0
    found = held(added, dry)
    assert (found[:, :160] == 0.0).all()
    assert (found[:, 240 + HISTORY + SEGMENT :] == 0.0).all()
    # The gain rises within the first segment of the stroke.
    assert (found[:, 176:240] == added[:, 176:240]).all()


def test_what_is_softer_passes_bit_for_bit():
    dry, added = noise(2, 400), noise(2, 400, seed=1, level=1e-4)
    found = held(added, dry)[:, SEGMENT:-SEGMENT]
    assert found.tobytes() == added[:, SEGMENT:-SEGMENT].tobytes()


def test_what_is_louder_has_the_level_of_the_dry_sound():
    t = np.arange(1600, dtype=np.float32) / 8000
    dry = 0.1 * np.sin(2 * np.pi * 1000 * t)[None]  # two periods to a segment
    added = 3.0 * np.cos(2 * np.pi * 2000 * t)[None]
    found = held(added, dry)[:, 160:-160]
    assert np.std(found) == pytest.approx(np.std(dry[:, 160:-160]), rel=1e-5)


@pytest.mark.parametrize("below, wanted", [(20.0, -20.04), (0.0, -3.01), (-20.0, 0.0)])
def test_below_the_floor_it_falls_twice_as_fast(below, wanted):
    dry, added = np.full((1, 640), 0.01), np.full((1, 640), 1.0)  # -40 dBFS
    found = held(added, dry, -40.0 + below)[:, 320]
    assert 20 * np.log10(found / 0.01) == pytest.approx(wanted, abs=0.05)


def test_channels_share_a_gain_where_linked():
    dry = noise(2, 320) * np.float32([[1.0], [0.01]])
    added = noise(2, 320, seed=1)
    together, apart = held(added, dry, linked=True), held(added, dry)
    inside = slice(64, -64)
    ratio = together[:, inside] / added[:, inside]
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-5)
    assert np.std(apart[1, inside]) < 0.02 < 0.3 * np.std(together[1, inside])


@pytest.mark.parametrize("level", 10.0 ** -np.arange(2, 20, dtype=float))
def test_its_gradient_is_bounded_at_any_level(level):
    """What is put out follows what is added and the dry sound by a factor of some 1."""

    def out(added, dry):
        added = jnp.pad(added, ((0, 0), (SEGMENT, SEGMENT)))
        dry = jnp.pad(dry, ((0, 0), (HISTORY + SEGMENT, SEGMENT)))
        return jnp.sum(limit(added, dry, jnp.float32(0.0), SEGMENTS))

    for louder in (1.0, 1e3, 1e9):
        sounds = noise(1, 320, level=level), noise(1, 320, seed=1, level=level / louder)
        for gradient in jax.grad(out, argnums=(0, 1))(*sounds):
            assert np.abs(gradient).max() < 1e2


def test_its_gradient_is_that_of_finite_differences_and_finite_in_silence():
    dry, added = noise(1, 160), noise(1, 160, seed=1)
    dry[:, 96:], added[:, :32] = 0.0, 0.0

    def loss(added, dry):
        added, dry = jnp.atleast_2d(added), jnp.atleast_2d(dry)
        added = jnp.pad(added, ((0, 0), (SEGMENT, SEGMENT)))
        dry = jnp.pad(dry, ((0, 0), (HISTORY + SEGMENT, SEGMENT)))
        out = limit(added, dry, jnp.float32(1e-3), SEGMENTS)
        return jnp.sum(out * jnp.asarray(noise(1, 160, seed=2)))

    gradients = jax.grad(loss, argnums=(0, 1))(added, dry)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    direction, step = noise(1, 160, seed=3), 1e-2
    for index in range(2):
        # In silence the sound stays silent: there is no slope to compare.
        way = direction * (dry != 0.0)
        ends = []
        for sign in (-1, 1):
            sounds = [added, dry]
            sounds[index] = sounds[index] + np.float32(sign * step) * way
            ends.append(float(loss(*sounds)))
        slope = (ends[1] - ends[0]) / (2 * step)
        wanted = float(np.sum(np.asarray(gradients[index]) * way))
        assert slope == pytest.approx(wanted, rel=2e-2, abs=2e-3)
