"""The effect file: exact round trip, and every hostile file refused in one line."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from cak_jax.effect import effect as effect_lib
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.gate import amount, calibrate, share
from cak_jax.effect.schema import EffectError
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings


def make(**values):
    rng = np.random.default_rng(0)
    kernel = tuple(tuple(float(v) for v in row) for row in rng.normal(size=(3, 3)))
    given = {"name": "grain", "kernel": kernel, "bias": 1 / 3, "scale": 0.1 + 0.2}
    return Effect(**{**given, **values})


def document(**values):
    return {**effect_lib.to_document(make()), **values}


def test_file_round_trip_is_bit_exact(tmp_path):
    effect = make(
        threshold=0.1,
        temperature=1e-17,
        spectrogram=SpectrogramSettings(48000, 1024, 128),
        normalization=Normalization(9.9, 0.7, -0.1, np.pi),
        provenance={"metrics": {"r2": 0.1}, "text": "\u00e9\U0001f600"},
    )
    path = tmp_path / "effect.json"
    effect_lib.save_effect(effect, path)
    again = effect_lib.load_effect(path)
    # repr tells every double apart, and 0.0 from -0.0.
    assert again == effect and repr(again) == repr(effect)
    assert path.stat().st_size < 4096
    assert [p.name for p in tmp_path.iterdir()] == ["effect.json"]
    effect_lib.save_effect(again, path)
    assert effect_lib.from_document(json.loads(path.read_text("utf-8"))) == effect


def test_the_file_is_the_documented_one():
    # Section 4.1 of the design, key by key.
    assert document() == {
        "format": "cak-effect",
        "version": 1,
        "name": "grain",
        "kernel": [list(row) for row in make().kernel],
        "bias": 1 / 3,
        "scale": 0.1 + 0.2,
        "gate": {"threshold": 0.3, "temperature": 20.0},
        "spectrogram": {
            "sample_rate": 44100,
            "n_fft": 2048,
            "hop_length": 512,
            "win_length": 2048,
            "window": "hann",
        },
        "normalization": {"alpha": 10.0, "gamma": 0.85, "low": 0.0, "high": 4.0},
        "provenance": {},
    }


QUALITY = Quality("-attack", "natural log", 0.75)
KNOB = (0.0, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9, 1.5)


def test_version_2_is_the_documented_one():
    first = document()
    heard = make(spacing=(4, 3), quality=QUALITY, knob=KNOB)
    assert effect_lib.to_document(heard) == {
        **first,
        "version": 2,
        "spectrogram": {**first["spectrogram"], "spacing": [4, 3]},
        "quality": {"name": "-attack", "unit": "natural log", "range": 0.75},
        "knob": list(KNOB),
    }


@pytest.mark.parametrize(
    "values",
    [{"spacing": (1, 2)}, {"quality": QUALITY}, {"knob": KNOB},
     {"spacing": (16, 1), "quality": QUALITY, "knob": KNOB}],
)  # fmt: skip
def test_each_new_field_needs_version_2_and_comes_back(values, tmp_path):
    effect = make(**values)
    effect_lib.save_effect(effect, tmp_path / "effect.json")
    written = json.loads((tmp_path / "effect.json").read_text("utf-8"))
    assert written["version"] == 2
    assert {"quality", "knob"} & set(written) == set(values) - {"spacing"}
    again = effect_lib.load_effect(tmp_path / "effect.json")
    assert again == effect and repr(again) == repr(effect)


def test_version_2_may_lack_its_fields():
    bare = effect_lib.from_document(document(version=2))
    assert bare == make()
    assert effect_lib.to_document(bare)["version"] == 1


def test_version_1_keeps_the_new_names_as_keys_it_does_not_know():
    given = document(quality="loud", knob={"a": 1})
    given["spectrogram"]["spacing"] = [4, 4]
    effect = effect_lib.from_document(given)
    assert (effect.spacing, effect.quality, effect.knob) == ((1, 1), None, None)
    assert effect.extra == {"quality": "loud", "knob": {"a": 1}}
    written = effect_lib.to_document(effect)
    assert (written["version"], written["quality"]) == (1, "loud")
    # In version 2 these names have a meaning, so the strange values are dropped.
    spaced = effect_lib.to_document(dataclasses.replace(effect, spacing=(2, 2)))
    assert spaced["version"] == 2 and not {"quality", "knob"} & set(spaced)


def test_unknown_keys_are_kept():
    given = document(future={"a": [1, None]}, provenance={"who": "me"})
    effect = effect_lib.from_document(given)
    assert effect.extra == {"future": {"a": [1, None]}}
    assert json.loads(effect_lib.dumps(effect)) == given


def test_whole_numbers_are_numbers():
    given = document(bias=0, scale=1, kernel=[[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    effect = effect_lib.from_document(given)
    assert effect == make(
        bias=0.0, scale=1.0, kernel=((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))
    )


def test_an_invalid_effect_cannot_be_made():
    for values, field in (
        ({"bias": float("nan")}, "bias"),
        ({"kernel": ((0.0,) * 3,) * 2}, "kernel"),
        ({"name": ""}, "name"),
        ({"normalization": Normalization(high=0.0)}, "normalization.high"),
        ({"spacing": (1, 17)}, r"spacing\[1\]"),
        ({"knob": (0.0, 1.0)}, "knob"),
        ({"quality": Quality("attack", "natural log", -1.0)}, "quality.range"),
    ):
        with pytest.raises(EffectError, match=field):
            make(**values)
        with pytest.raises(EffectError, match=field):
            dataclasses.replace(make(), **values)


@pytest.mark.parametrize(
    "threshold, temperature", [(0.3, 20.0), (0.0, 0.0), (2.0, 50.0)]
)
def test_calibrate_inverts_the_gate(threshold, temperature):
    effect = make(threshold=threshold, temperature=temperature)
    for wanted in (0.0, 1e-6, 0.05, 0.5, 1.0, 3.0):
        control = calibrate(effect, wanted)
        back = control * special.expit((control - threshold) * temperature)
        assert back == pytest.approx(wanted, abs=1e-9, rel=1e-9)
    assert calibrate(effect, 0.0) == 0.0
    turns = [calibrate(effect, turn) for turn in np.linspace(0, 1, 50)]
    assert (np.diff(turns) > 0).all()


AMOUNTS = (0.0, 0.01, 0.125, 0.3, 0.5, 0.999, 1.0)


def test_share_is_a_broken_line_and_goes_on_beyond_1():
    effect = make(knob=KNOB)
    grid = np.arange(9) / 8
    expected = np.interp(AMOUNTS, grid, KNOB)
    np.testing.assert_allclose(share(effect, np.array(AMOUNTS)), expected, atol=1e-15)
    found = share(effect, jnp.array([AMOUNTS], jnp.float32))
    np.testing.assert_allclose(found, expected[None], atol=1e-6)
    assert isinstance(found, jax.Array) and found.dtype == jnp.float32
    # The last line rises by 0.6 in 1/8.
    for turn, value in ((1.25, 2.7), (3.0, 1.5 + 16 * 0.6), (0.5, 0.3), (0, 0)):
        assert float(share(effect, turn)) == pytest.approx(value)
    slope = jax.grad(lambda a: share(effect, a))(0.1)
    assert slope == pytest.approx(0.8)
    plain = np.array(AMOUNTS)
    assert share(make(), plain) is plain


@pytest.mark.parametrize("turn", [*AMOUNTS, 2.5])
def test_calibrate_goes_through_the_table(turn):
    effect = make(knob=KNOB)
    control = calibrate(effect, turn)
    back = control * special.expit((control - 0.3) * 20.0)
    assert back == pytest.approx(float(share(effect, turn)), abs=1e-9)
    if turn == 0.5:
        assert back == pytest.approx(0.3)


@pytest.mark.parametrize("turn", [float("nan"), float("inf"), -0.1])
def test_calibrate_refuses(turn):
    with pytest.raises(EffectError, match="amount"):
        calibrate(make(), turn)


def test_amount_is_the_gated_control():
    effect = make(scale=-1.5)
    assert amount(effect, 0.0) == 0.0
    for control in (0.1, 0.3, 0.9, 10.0):
        expected = control * special.expit((control - 0.3) * 20.0) * -1.5
        assert amount(effect, control) == pytest.approx(expected, rel=2e-6)


def test_the_published_model_as_an_effect(golden_dir):
    model = json.loads((golden_dir / "published_model.json").read_text("utf-8"))
    learned = model["effect"]
    effect = effect_lib.from_document(
        document(
            name="published",
            kernel=learned["kernel"],
            bias=learned["bias"],
            scale=learned["scale"],
            gate={name: learned[name] for name in ("threshold", "temperature")},
            normalization=learned["normalization"],
        )
    )
    again = effect_lib.from_document(json.loads(effect_lib.dumps(effect)))
    assert [list(row) for row in again.kernel] == learned["kernel"]
    assert (again.bias, again.scale) == (learned["bias"], learned["scale"])
    assert again.normalization._asdict() == learned["normalization"]
