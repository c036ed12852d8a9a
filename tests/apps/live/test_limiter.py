"""The limiter against a second program in plain loops, and its bounds."""

import itertools

import numpy as np
import pytest

from cak_jax.apps.live.limiter import CEILING_DB, RECOVERY_DB, Limiter

RATE = 8000
LIMIT = 10 ** (CEILING_DB / 20)
SIZES = [1, 16, 64, 100, 441, 512, 1000]


def pass_through(limiter, sound, size):
    whole = sound.shape[1] // size * size
    blocks = np.split(sound[:, :whole], whole // size, axis=1)
    return np.concatenate([limiter(block) for block in blocks], axis=1)


def bursts(samples=8000, seed=0):
    """Noise with loud stretches and single tall samples."""
    rng = np.random.default_rng(seed)
    sound = 0.2 * rng.normal(size=(2, samples))
    sound[:, 2000:2600] *= 20
    sound[0, rng.integers(0, samples, 12)] = 50
    return sound.astype(np.float32)


def plain(sound, edges, seconds):
    """The formula, segment by segment, over the whole sound; not delayed."""
    spans = list(itertools.pairwise(edges))
    peaks = [max(np.abs(sound[:, a:b]).max(), 1e-9) for a, b in spans]
    gains, before = [1.0], 1.0
    for first, second in itertools.pairwise([*peaks, 1e-9]):
        before = min(1.0, LIMIT / first, LIMIT / second,
                     before * 10 ** (RECOVERY_DB * seconds / 20))  # fmt: skip
        gains.append(before)
    result = sound.astype(np.float64)
    for (a, b), (first, second) in zip(spans, itertools.pairwise(gains), strict=True):
        way = np.arange(b - a) / (b - a)
        result[:, a:b] *= first + (second - first) * way
    return result


@pytest.mark.parametrize("size", SIZES)
def test_what_is_below_passes_untouched(size):
    sound = np.clip(bursts(), -LIMIT, LIMIT).astype(np.float32) * np.float32(0.999)
    limiter = Limiter(2, size, RATE)
    found = pass_through(limiter, sound, size)
    assert not found[:, : limiter.delay].any() and limiter.lowest == 1.0
    wanted = sound[:, : found.shape[1] - limiter.delay]
    assert found[:, limiter.delay :].tobytes() == wanted.tobytes()


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_above(size):
    limiter = Limiter(2, size, RATE)
    found = pass_through(limiter, bursts(), size)
    assert np.abs(found).max() <= LIMIT * (1 + 1e-6)
    assert 1 <= limiter.delay <= 96


@pytest.mark.parametrize("size", [16, 64, 128, 512])
def test_the_gain_is_the_formula_s(size):
    sound = bursts(8192)
    limiter = Limiter(2, size, RATE)
    found = pass_through(limiter, sound, size)
    segment = min(size, 64)
    assert limiter.delay == segment
    edges = range(0, 8193, segment)
    wanted = plain(sound, edges, segment / RATE)[:, : 8192 - segment]
    np.testing.assert_allclose(found[:, segment:], wanted, atol=2e-6)


def test_the_gain_never_jumps_and_comes_back():
    sound = np.full((1, 32000), 0.5, np.float32)
    sound[0, 4000:4010] = 5.0
    limiter = Limiter(1, 512, RATE)
    gain = (pass_through(limiter, sound, 512)[0, 64:] / sound[0, : 512 * 62 - 64]) / 1.0
    assert gain[:3900].tobytes() == np.ones(3900, np.float32).tobytes()
    assert gain.min() == pytest.approx(LIMIT / 5, rel=1e-5)
    assert np.abs(np.diff(gain)).max() <= 1 / 64
    # The gain recovers 15 dB at 30 dB a second; then the sound is unchanged.
    seconds = 20 * np.log10(5 / LIMIT) / RECOVERY_DB
    end = 4010 + round(seconds * RATE)
    assert gain[end - 400] < 0.99 and (gain[end + 200 :] == 1.0).all()


def test_the_lowest_gain_is_said_of_each_block():
    limiter = Limiter(1, 64, RATE)
    loud, quiet = (np.full((1, 64), level, np.float32) for level in (9.0, 0.1))
    limiter(quiet)
    assert limiter.lowest == 1.0
    limiter(loud)
    assert limiter.lowest == pytest.approx(LIMIT / 9)
