"""An aim: each sound is changed by as much as is asked, by an independent measure."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
import soxr
from support.applying import SMALL_FILLER

from cak_jax.effect.effect import Quality
from cak_jax.effect.schema import EffectError
from cak_jax.evaluation import heard
from cak_jax.rendering import aim, blocks, in_memory
from cak_jax.rendering.aim import Turn, find_amount, search
from cak_jax.rendering.knob import Aim, Curve
from cak_jax.rendering.settings import RenderSettings

RATE = SMALL_FILLER.spectrogram.sample_rate
RANGE = SMALL_FILLER.quality.range
SETTINGS = RenderSettings()


def tones(seconds=2.0, rate=RATE, channels=1, seed=0):
    """Return chords that swell over a little noise, `[channels, n]` float32."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitches = generator.uniform(100, 3000, (channels, 4, 1))
    swell = 1 + 0.5 * np.sin(4 * np.pi * time)
    chord = np.sin(2 * np.pi * pitches * time).sum(axis=1) * swell
    hiss = generator.standard_normal((channels, len(time)))
    return np.float32(0.1 * chord + 1e-3 * hiss)


def change(effect, dry, wet, rate=RATE):
    """Measure the change in units of the range, with NumPy, at the effect's rate."""
    own = effect.spectrogram.sample_rate
    name = effect.quality.name.removeprefix("-")
    sign = -1 if effect.quality.name.startswith("-") else 1
    before, after = (
        heard.measure(soxr.resample(sound.mean(axis=0), rate, own), own, 1024)[name]
        for sound in (dry.astype(np.float64), wet.astype(np.float64))
    )
    return sign * (after - before) / effect.quality.range


def found_in(dry, value, effect=SMALL_FILLER, rate=RATE, settings=SETTINGS):
    return find_amount(
        effect, blocks.slices(dry, 997), rate, len(dry), Aim(value), settings
    )


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("value", [0.25, 0.5, 0.8])
def test_an_aim_is_met_by_another_measure(value, channels):
    dry = tones(channels=channels)
    wet = in_memory.render(
        SMALL_FILLER, dry, RATE, aim=value, loudness="none", peaks="none"
    )
    assert change(SMALL_FILLER, dry, wet) == pytest.approx(value, abs=0.01)
    # The amount alone does not meet it.
    plain = in_memory.render(
        SMALL_FILLER, dry, RATE, amount=value, loudness="none", peaks="none"
    )
    assert abs(change(SMALL_FILLER, dry, plain) - value) > 0.01
    found = found_in(dry, value)
    assert found.reached and 1 < found.renders <= 12
    assert found.change == pytest.approx(found.measured * RANGE)
    same = in_memory.render(
        SMALL_FILLER, dry, RATE, amount=found.amount, loudness="none", peaks="none"
    )
    np.testing.assert_array_equal(wet, same)


@pytest.mark.parametrize("rate", [12000, 11025, 6000])
def test_an_aim_at_another_rate(rate):
    dry = tones(rate=rate, channels=2)
    wet = in_memory.render(
        SMALL_FILLER, dry, rate, aim=0.5, loudness="none", peaks="none"
    )
    assert change(SMALL_FILLER, dry, wet, rate) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "options", [{"mix": 0.5}, {"tilt": 0.4, "flip": "time"}, {"size": (2, 3)},
                {"channels": "independent"}, {"loudness": "rms"}],
)  # fmt: skip
def test_an_aim_is_about_the_sound_as_it_is_rendered(options):
    dry = tones(channels=2)
    wet = in_memory.render(SMALL_FILLER, dry, RATE, aim=0.4, **options)
    assert change(SMALL_FILLER, dry, wet) == pytest.approx(0.4, abs=0.01)


def test_less_of_a_quality_and_a_knob_table():
    knob = tuple(np.linspace(0, 1, 9) ** 2)
    quality = Quality("-spectral_flatness", "dB", 4.0)
    effect = dataclasses.replace(SMALL_FILLER, bias=-0.3, quality=quality, knob=knob)
    # Bursts of noise between which little sounds.
    dry = tones() + 0.02 * tones(seed=2)[:, ::-1]
    found = found_in(dry, 0.5, effect)
    wet = in_memory.render(effect, dry, RATE, aim=0.5, loudness="none", peaks="none")
    assert change(effect, dry, wet) == pytest.approx(0.5, abs=0.01)
    changed = f"more tonal by {found.change:.3g} dB"
    assert str(found) == f"amount {found.amount:.3g}, {changed} as asked"
    assert found.change == pytest.approx(2.0, abs=0.04)


def test_a_taught_quality_is_read_by_its_weights():
    weights = {"spectral_flatness": 0.5, "spectral_centroid": 0.25}
    taught = Quality("warmth", "points", 4.0, weights)
    effect, dry = dataclasses.replace(SMALL_FILLER, quality=taught), tones()
    found = found_in(dry, 0.5, effect)
    wet = in_memory.render(effect, dry, RATE, aim=0.5, loudness="none", peaks="none")
    before, after = (
        heard.measure(sound.mean(axis=0), RATE, 1024) for sound in (dry, wet)
    )
    moved = sum(w * (after[name] - before[name]) for name, w in weights.items())
    assert moved == pytest.approx(0.5 * 4, abs=0.05)
    changed = f'more "warmth" by {found.change:.3g} points'
    assert str(found) == f"amount {found.amount:.3g}, {changed} as asked"


@pytest.mark.parametrize("rate", [RATE, 12000])
def test_aim_zero_gives_the_input_bit_for_bit(rate):
    dry = tones(0.3, channels=2)
    dry[:, :3] = [-0.0, 1e-42, 1.5]
    wet = in_memory.render(SMALL_FILLER, dry, rate, aim=0)
    assert wet.tobytes() == dry.tobytes() and not np.shares_memory(wet, dry)
    found = found_in(dry, 0.0)
    assert (found.amount, found.renders, found.reached) == (0.0, 0, True)
    assert str(found) == "amount 0, unchanged as asked"


def test_an_aim_that_cannot_be_reached_ends_at_the_nearest():
    quality = dataclasses.replace(SMALL_FILLER.quality, range=60.0)
    effect = dataclasses.replace(SMALL_FILLER, quality=quality)
    dry = tones()
    with pytest.warns(UserWarning, match="^aim 1 is not reached: amount .*nearest"):
        wet = in_memory.render(
            effect, dry, RATE, aim=1.0, loudness="none", peaks="none"
        )
    nearest = change(effect, dry, wet)
    for amount in (0.5, 1, 2, 3, 4):
        other = in_memory.render(
            effect, dry, RATE, amount=amount, loudness="none", peaks="none"
        )
        assert change(effect, dry, other) < nearest + 0.006
    found = found_in(dry, 1.0, effect)
    assert not found.reached and found.measured == pytest.approx(nearest, abs=1e-3)
    assert str(found).endswith(
        f"noisier by {60 * nearest:.3g} dB, the nearest to 60 dB that it reaches"
    )


def test_an_effect_that_moves_the_other_way_changes_nothing():
    quality = dataclasses.replace(SMALL_FILLER.quality, name="-spectral_flatness")
    effect = dataclasses.replace(SMALL_FILLER, quality=quality)
    dry = tones()
    with pytest.warns(UserWarning, match="no amount brings it nearer to more"):
        wet = in_memory.render(effect, dry, RATE, aim=0.5)
    assert wet.tobytes() == dry.tobytes()


@pytest.mark.parametrize(
    ("dry", "words"),
    [
        (np.zeros((2, 8000), np.float32), "is too quiet"),
        (np.array([[1.0], [-1.0]], np.float32) * tones(), "is too quiet"),
        (1e-7 * tones(), "is too quiet"),
        (tones(0.15), "is too short"),
    ],
)
def test_a_sound_that_cannot_be_measured_stays_as_it_is(dry, words):
    with pytest.warns(UserWarning, match=f"unchanged, because it {words}"):
        wet = in_memory.render(SMALL_FILLER, dry, RATE, aim=0.5)
    assert wet.tobytes() == dry.tobytes()
    found = found_in(dry, 0.5)
    assert (found.measured, found.change, found.reached) == (None, None, False)
    assert in_memory.render(SMALL_FILLER, dry[:, :0], RATE, aim=0.5).shape[1] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"aim": math.nan}, "aim must be between 0 and 2: nan"),
        ({"aim": 2.1}, "aim must be between 0 and 2: 2.1"),
        ({"aim": -0.1}, "aim must be between 0 and 2"),
        ({"aim": "0.5"}, "aim must be a number, got str"),
        ({"aim": True}, "aim must be a number, got bool"),
        ({"aim": Curve((0.0,), (1.0,))}, "aim must be a number, got Curve"),
        ({"aim": 0.5, "amount": 0.5}, "control, amount and aim are one knob"),
        ({"aim": 0.5, "control": 0.5}, "control, amount and aim are one knob"),
        ({"aim": 0.5, "mode": "published"}, "aim goes with mode residual"),
    ],
)
def test_what_is_no_aim_is_refused(options, words):
    with pytest.raises(EffectError, match=words):
        in_memory.render(SMALL_FILLER, tones(0.3), RATE, **options)


def test_effects_and_arrays_that_an_aim_does_not_go_with():
    dry = tones(0.3)
    plain = dataclasses.replace(SMALL_FILLER, quality=None)
    with pytest.raises(EffectError, match="filler names none; give amount instead"):
        in_memory.render(plain, dry, RATE, aim=0.5)
    warm = dataclasses.replace(SMALL_FILLER, quality=Quality("warmth", "dB", 1.0))
    with pytest.raises(EffectError, match="cannot measure the quality warmth of fill"):
        in_memory.render(warm, dry, RATE, aim=0.5)
    with pytest.raises(EffectError, match="not on JAX arrays: give numpy"):
        in_memory.render(SMALL_FILLER, jnp.asarray(dry), RATE, aim=0.5)
    for gain in (1e30, 1e300):
        with pytest.raises(EffectError, match="far above full scale"):
            in_memory.render(SMALL_FILLER, np.float64(dry) * gain, RATE, aim=0.5)


def test_a_long_sound_is_measured_in_stretches(monkeypatch):
    monkeypatch.setattr(aim, "STRETCH_SECONDS", 0.5)
    # Silence, and then chords that differ from one stretch to the next.
    parts = [tones(1.0, channels=2, seed=seed) for seed in range(19)]
    dry = np.concatenate(
        [np.zeros((2, 8000), np.float32), *parts, parts[0][:, :999]], 1
    )
    stretches = aim._stretches(blocks.slices(dry, 997), RATE, 2)
    # 40 stretches: 12 at most are kept, evenly spread, and the last part is not whole.
    np.testing.assert_array_equal(
        stretches, [dry[:, start : start + 4000] for start in range(0, 160000, 16000)]
    )
    assert len(aim._audible(stretches)) == 9
    lengths = []
    monkeypatch.setattr(
        aim, "_wet", lambda *a, wet=aim._wet: lengths.append(a[1].size) or wet(*a)
    )
    found = found_in(dry, 0.5)
    assert found.reached and set(lengths) == {8000}
    wet = in_memory.render(
        SMALL_FILLER, dry, RATE, aim=0.5, loudness="none", peaks="none"
    )
    assert change(SMALL_FILLER, dry, wet) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("seconds", [0.3, 5.9, 6.0, 6.3, 6.5])
def test_a_sound_of_up_to_twelve_stretches_is_measured_whole(seconds, monkeypatch):
    monkeypatch.setattr(aim, "STRETCH_SECONDS", 0.5)
    dry = tones(seconds)
    stretches = aim._stretches(blocks.slices(dry, 997), RATE, 1)
    if seconds < 6.5:
        [whole] = stretches
        np.testing.assert_array_equal(whole, dry[:, :48000])
    else:
        assert len(stretches) == 7


def test_many_channels_take_no_more_memory(monkeypatch):
    monkeypatch.setattr(aim, "KEPT_SAMPLES", 40000)
    monkeypatch.setattr(aim, "STRETCH_SECONDS", 0.5)
    dry = tones(5.0, channels=4)
    stretches = aim._stretches(blocks.slices(dry, 997), RATE, 4)
    assert sum(stretch.size for stretch in stretches) <= 40000


CURVES = {
    "straight": lambda a: a,
    "weak": lambda a: 0.3 * a,
    "strong": lambda a: 20 * a,
    "square": lambda a: a**2,
    "root": lambda a: a**0.5,
    "saturating": lambda a: 1 - math.exp(-a),
    "late": lambda a: 1 / (1 + math.exp(-10 * (a - 2))) - 1 / (1 + math.exp(20)),
    "very convex": lambda a: a**9 / 100,
    "hump": lambda a: 1.1 * math.sin(a * math.pi / 2),
    "first the other way": lambda a: a * (a - 1),
}


@pytest.mark.parametrize("value", [0.01, 0.25, 0.5, 0.8, 0.98])
@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_the_search_ends_at_the_aim(curve, value):
    tried = []
    turn = search(lambda amount: tried.append(amount) or curve(amount), value)
    assert turn.reached and abs(curve(turn.amount) - value) <= 0.005
    assert turn.measured == pytest.approx(curve(turn.amount))
    assert turn.renders == len(tried) <= 12 and len(set(tried)) == len(tried)
    assert tried[0] == value and all(0 < amount <= 4 for amount in tried)


def test_the_search_takes_the_lower_of_two_crossings():
    turn = search(lambda a: math.sin(a * math.pi / 2), 0.5)
    assert turn.amount == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("value", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(
    ("curve", "amount", "slack"),
    [
        (lambda a: 0.02 * a, 4.0, 0.25),
        (lambda a: 0.2 * a * math.exp(1 - a), 1.0, 0.25),
        (lambda a: 0.1 * (1 - abs(a - 3) / 3), 3.0, 0.2),
        (lambda a: -a, 0.0, 0.0),
        (lambda a: 0.0, 0.0, 0.0),
    ],
)
def test_the_search_ends_at_the_nearest(curve, amount, slack, value):
    tried = []
    turn = search(lambda a: tried.append(a) or curve(a), value)
    assert not turn.reached and turn.renders == len(tried) <= 12
    assert turn.amount == pytest.approx(amount, abs=slack)
    assert turn.measured == pytest.approx(curve(turn.amount))
    assert curve(turn.amount) >= max(map(curve, tried)) - 0.005


def test_the_search_ends_early_on_a_plateau():
    turn = search(lambda a: min(a, 0.3), 0.5)
    assert turn.amount < 0.6 and turn.measured == pytest.approx(0.3, abs=0.005)


def test_the_search_ends_at_a_jump():
    turn = search(lambda a: 0.2 if a < 0.7 else 0.9, 0.5)
    assert not turn.reached and turn.renders <= 12
    assert turn.measured == 0.2 and turn.amount < 0.7
    assert search(lambda a: 0.0, 0.0) == Turn(0.0, 0.0, True, 0)
