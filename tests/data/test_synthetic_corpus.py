"""The synthetic corpus: reproducible, well formed, and varied where it must be."""

import numpy as np
import pytest

from cak_jax.data.synthetic import corpus as synth
from cak_jax.data.synthetic.building_blocks import (
    cosine,
    damped_modes,
    draw_onsets,
    string_note,
)
from cak_jax.data.synthetic.instruments import FAMILIES

RATE = 16000
CLIPS = 10 * len(FAMILIES)


@pytest.fixture(scope="module")
def corpus():
    audio, names = synth.synthesise(CLIPS, 2.0, RATE, seed=7)
    return audio, names


def power_spectra(audio):
    """Mean power spectrum of each clip and its frequencies, `[clip, freq]`."""
    frames = audio[:, : audio.shape[1] // 1024 * 1024].reshape(len(audio), -1, 1024)
    power = np.abs(np.fft.rfft(frames * np.hanning(1024))) ** 2
    return power.mean(1), np.fft.rfftfreq(1024, 1 / RATE)


def family_medians(values):
    """Median over the clips of each family, by name."""
    return {
        name: np.median(values[k :: len(FAMILIES)]) for k, name in enumerate(FAMILIES)
    }


def test_same_arguments_give_the_same_samples(corpus):
    again, names = synth.synthesise(CLIPS, 2.0, RATE, seed=7)
    np.testing.assert_array_equal(corpus[0], again)
    assert corpus[1] == names


def test_a_larger_corpus_begins_with_the_smaller_one(corpus):
    small, names = synth.synthesise(11, 2.0, RATE, seed=7)
    np.testing.assert_array_equal(corpus[0][:11], small)
    assert corpus[1][:11] == names


def test_any_clip_can_be_made_alone(corpus):
    alone = synth.synthesise_clip(13, 2 * RATE, RATE, seed=7)
    np.testing.assert_array_equal(corpus[0][13], alone)


def test_another_seed_gives_other_sound(corpus):
    other, _ = synth.synthesise(len(FAMILIES), 2.0, RATE, seed=8)
    for first, second in zip(corpus[0], other, strict=False):
        assert np.abs(np.corrcoef(first, second)[0, 1]) < 0.5


def test_samples_are_finite_and_below_full_scale(corpus):
    audio = corpus[0]
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() < 1


@pytest.mark.parametrize(("seconds", "rate"), [(2.0, RATE), (0.1, 4000), (1.5, 44100)])
def test_level_is_between_minus_30_and_minus_8(seconds, rate):
    audio, _ = synth.synthesise(40, seconds, rate, seed=3)
    level = 10 * np.log10(np.mean(np.square(audio, dtype=np.float64), axis=1))
    assert level.min() > -30.5
    assert level.max() < -7.9
    assert np.ptp(level) > 15


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_length_follows_seconds_and_rate(rate):
    audio, names = synth.synthesise(len(FAMILIES), 0.333, rate, seed=0)
    assert audio.shape == (len(FAMILIES), round(0.333 * rate))
    assert len(names) == len(FAMILIES)


def test_names_are_unique_and_carry_the_family(corpus):
    names = corpus[1]
    assert len(set(names)) == CLIPS
    assert names[0] == "fm 000"
    assert [name.split()[0] for name in names] == list(FAMILIES) * 10


def test_families_differ_in_brightness(corpus):
    power, frequency = power_spectra(corpus[0])
    centroid = (power * frequency).sum(1) / power.sum(1)
    middle = family_medians(centroid)
    for bright in ("noise", "bell", "grain"):
        assert middle[bright] > 2 * middle["pad"]
    low, high = np.percentile(centroid, (10, 90))
    assert high > 8 * low


def test_families_differ_in_noisiness(corpus):
    power, _ = power_spectra(corpus[0])
    power = power[:, 1:] + 1e-12
    flatness = family_medians(np.exp(np.log(power).mean(1)) / power.mean(1))
    for tonal in ("fm", "grain", "pluck", "pad", "bell", "chirp"):
        assert flatness["noise"] > 8 * flatness[tonal]
    assert flatness["drum"] > 3 * flatness["pluck"]


def test_families_differ_in_peaks(corpus):
    audio = corpus[0].astype(np.float64)
    crest = family_medians(np.abs(audio).max(1) / np.sqrt((audio**2).mean(1)))
    for steady in ("fm", "pad", "chirp"):
        for struck in ("pluck", "drum", "grain"):
            assert crest[struck] > 1.4 * crest[steady]


def test_pitch_does_not_depend_on_the_sample_rate():
    def strongest(rate):
        rng = np.random.default_rng(5)
        note = string_note(rng, 220.0, 1.0, 0.3, 2.0, rate)[:rate]
        spectrum = np.abs(np.fft.rfft(note * np.hanning(note.size)))
        return np.argmax(spectrum) * rate / note.size / 220

    for rate in (8000, 44100, 48000):
        ratio = strongest(rate)
        assert ratio == pytest.approx(round(ratio), abs=0.01)


def test_string_note_obeys_its_loop():
    # With damping 0.5 and a period of 50.5 samples both taps fall on whole samples:
    # once the burst is over, y[n] = g (y[n-50] + y[n-51]) / 2.
    rate, pitch, ring = 10100, 200.0, 0.3
    note = string_note(np.random.default_rng(0), pitch, ring, 0.5, 3.0, rate)
    fade = np.linspace(1, 0, note.size) ** 0.25
    y = note[:-1].astype(np.float64) / fade[:-1]
    decay = 10 ** (-3 / (ring * pitch))
    later = np.arange(300, 2000)
    expected = decay * (y[later - 50] + y[later - 51]) / 2
    # What was taken out below the fundamental rings on at a few hundredths.
    assert np.abs(y[later] - expected).max() < 0.03 * np.abs(y[later]).max()
    shifted = decay * (y[later - 51] + y[later - 52]) / 2
    assert np.abs(y[later] - shifted).max() > 0.2 * np.abs(y[later]).max()


def test_damped_modes_match_their_closed_form():
    frequency, decay = np.array([100.0, 333.0]), np.array([0.5, 0.1])
    amplitude = np.array([1.0, 0.5j])
    time = np.arange(3000)[:, None] / 8000
    exact = amplitude * np.exp((-6.9078 / decay + 2j * np.pi * frequency) * time)
    made = damped_modes(frequency, decay, amplitude, 3000, 8000)
    np.testing.assert_allclose(made, exact.sum(1).real, atol=2e-5)


def test_damped_modes_above_the_band_stay_silent():
    one = np.ones(1)
    assert not damped_modes(3700 * one, one, one, 100, 8000).any()


def test_cosine_keeps_its_phase_over_many_cycles():
    cycles = 1e6 + np.linspace(0, 3, 500)
    np.testing.assert_allclose(cosine(cycles), np.cos(2 * np.pi * cycles), atol=1e-6)


def test_onsets_start_at_zero_and_stay_inside():
    for seed in range(20):
        onsets = draw_onsets(np.random.default_rng(seed), 8000, 8000, 9.0)
        assert onsets[0] == 0
        assert onsets.max() < 8000
        assert onsets.min() >= 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("clips", value) for value in (0, -1, 2.0, True, "3", None)],
        *[("seconds", value) for value in (0, -1.0, float("nan"), float("inf"), "1")],
        *[("sample_rate", value) for value in (0, 3999, 44100.0)],
        *[("seed", value) for value in (-1, 0.5, None)],
    ],
)
def test_bad_arguments_are_refused_by_name(field, value):
    good = {"clips": 1, "seconds": 0.1, "sample_rate": 8000, "seed": 0}
    with pytest.raises(ValueError, match=f"^{field} must be"):
        synth.synthesise(**(good | {field: value}))
