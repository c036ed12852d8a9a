"""Dither: the error's statistics, and what it must leave alone."""

import numpy as np
import pytest
import soundfile
from support.applying import effect_file, run
from support.sounds import noise, put, sound

from cak_jax.audio import formats, sound_file
from cak_jax.audio.formats import make_dither

STEPS = {"PCM_S8": 2.0**-7, "PCM_16": 2.0**-15, "PCM_24": 2.0**-23, "PCM_32": 2.0**-31}
COUNT = 400_000


def stored(samples, subtype="PCM_16", seed=0, kind="tpdf"):
    """Return what a file of the subtype holds, in steps."""
    level = formats.encode(samples, subtype, make_dither(kind, seed))
    bits = round(1 - np.log2(STEPS[subtype]))
    return (level.astype(np.int64) >> (32 - bits)).astype(np.float64)


def test_the_noise_is_triangular():
    values = make_dither("tpdf", 1)((COUNT, 1))
    assert np.abs(values).max() < 1
    # P(|x| < t) = 1 - (1 - t)**2
    for t in (0.1, 0.5, 0.9):
        share = np.mean(np.abs(values) < t)
        assert share == pytest.approx(1 - (1 - t) ** 2, abs=5 * 0.5 / np.sqrt(COUNT))
    assert np.var(values) == pytest.approx(1 / 6, rel=0.01)


@pytest.mark.parametrize("subtype", STEPS)
@pytest.mark.parametrize("offset", [0.1, 0.25, 0.5, 0.75, 0.999])
def test_the_error_has_mean_0_and_power_1_4_wherever_the_sound_lies(subtype, offset):
    # Exact in float64 for all types: the offset is what is between two steps.
    wanted = 40 + offset
    error = stored(np.full((COUNT, 1), wanted * STEPS[subtype]), subtype) - wanted
    assert abs(error.mean()) < 5 * 0.5 / np.sqrt(COUNT)
    assert np.mean(error**2) == pytest.approx(1 / 4, rel=0.01)
    assert np.abs(error).max() < 1.5


def test_the_error_does_not_follow_the_sound():
    wanted = np.random.default_rng(0).uniform(-9, 9, (COUNT, 1))
    error = stored(wanted * STEPS["PCM_16"]) - wanted
    for first, second in ((wanted, error), (wanted**2, error), (wanted, error**2)):
        correlation = np.corrcoef(first[:, 0], second[:, 0])[0, 1]
        assert abs(correlation) < 5 / np.sqrt(COUNT)


def overtones(kind):
    """Return the power of a quiet sine and of its strongest overtone.

    Over what white noise of 1/4 step squared has in one bin.
    """
    length, cycles = 1 << 17, 1001
    sine = 1.3 * np.sin(2 * np.pi * cycles * np.arange(length)[:, None] / length + 0.1)
    got = stored(sine * STEPS["PCM_16"], kind=kind)[:, 0]
    power = np.abs(np.fft.rfft(got)) ** 2 / (length / 4)
    return power[cycles], power[2 * cycles :: cycles].max()


def test_a_quiet_sine_has_no_overtones():
    tone, strongest = overtones("tpdf")
    # One of 64 bins of white noise gets there once in a million tries.
    assert tone > 10_000 and strongest < np.log(64e6)
    assert overtones("none")[1] > 100 * strongest


@pytest.mark.parametrize("subtype", STEPS)
def test_whole_steps_pass_untouched(subtype):
    top = round(1 / STEPS[subtype])
    levels = np.r_[-top, 1 - top, -1, 0, 1, top - 1, np.arange(0, top, top // 100)]
    levels = levels[:, None].astype(np.float64)
    np.testing.assert_array_equal(stored(levels * STEPS[subtype], subtype), levels)
    # Also between samples that lie elsewhere, which draw the same noise as ever.
    mixed = levels.copy()
    mixed[::2] += 0.4
    kept = stored(mixed * STEPS[subtype], subtype)
    np.testing.assert_array_equal(kept[1::2], levels[1::2])
    assert (stored(np.zeros((999, 2)), subtype) == 0).all()


@pytest.mark.parametrize("subtype", STEPS)
def test_clipping_never_wraps(subtype):
    top = round(1 / STEPS[subtype])
    for size in (1.0, 1 - 0.3 / top, 1 - 1.7 / top, 1 + 0.6 / top, 2.0, 1e9):
        for sign in (1, -1):
            got = stored(np.full((2000, 1), sign * size), subtype) * sign
            assert (got >= min(size, 1) * top - 2.5).all()
            assert (got <= (top if sign < 0 else top - 1)).all()


def test_floats_get_none():
    samples = noise(1000)
    for subtype, dtype in (("FLOAT", np.float32), ("DOUBLE", np.float64)):
        got = formats.encode(samples, subtype, make_dither("tpdf", 0))
        np.testing.assert_array_equal(got, samples.astype(dtype))


def write(path, samples, cuts, **options):
    with sound_file.create(path, 8000, len(samples), **options) as append:
        for part in np.split(samples, cuts, axis=1):
            append(part)
    return path.read_bytes()


def test_blocks_do_not_matter_and_seeds_do(tmp_path):
    samples = 0.3 * noise(5000, 3).T
    whole = write(tmp_path / "a.wav", samples, [], dither="tpdf", seed=7)
    for number, cuts in enumerate(([1], [1, 2, 4096], range(0, 5000, 613))):
        path = tmp_path / f"{number}.wav"
        assert write(path, samples, cuts, dither="tpdf", seed=7) == whole
    assert write(tmp_path / "b.wav", samples, [], dither="tpdf", seed=8) != whole
    assert write(tmp_path / "c.wav", samples, [], dither="none") != whole


def test_channels_have_noise_of_their_own():
    same = np.full((COUNT, 2), 0.5 * STEPS["PCM_16"])
    first, second = (stored(same) - 0.5).T
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(COUNT)


def test_another_kind_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="dither must be one of tpdf, none, got 'rpdf'"),
        sound_file.create(tmp_path / "x.wav", 8000, 1, dither="rpdf"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_repeats_itself(tmp_path):
    effect = effect_file(tmp_path)
    first = put(tmp_path / "a", "x.wav", sound(0.5), subtype="PCM_16")
    moved, renamed = tmp_path / "b" / "x.wav", tmp_path / "b" / "y.wav"
    moved.parent.mkdir()
    for path in (moved, renamed):
        path.write_bytes(first.read_bytes())
    assert run(effect, first, moved, renamed) == 0
    outputs = [p.with_name(f"{p.stem}__small_c080.wav") for p in (first, moved)]
    contents = [path.read_bytes() for path in outputs]
    assert contents[0] == contents[1]
    assert run(effect, first, overwrite=True) == 0
    assert outputs[0].read_bytes() == contents[0]
    # Two tracks of one song: their noises do not add up as one.
    other = soundfile.read(tmp_path / "b" / "y__small_c080.wav")[0]
    change = other - soundfile.read(outputs[0])[0]
    assert 0.3 < np.var(change) / STEPS["PCM_16"] ** 2 < 0.7
    assert run(effect, first, overwrite=True, dither="none") == 0
    assert outputs[0].read_bytes() != contents[0]
