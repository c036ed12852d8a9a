"""Hostile effect files: every one is refused in one line that names the field."""

import json

import pytest

from cak_jax.effect import effect as effect_lib
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError

KERNEL = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (0.7, 0.8, 0.9))


def make():
    return Effect("grain", KERNEL, 0.25, 0.5)


def document():
    return effect_lib.to_document(make())


def text(field, value):
    """A file's text with raw JSON put at a dotted field."""
    made = document()
    table = made
    *path, last = field.split(".")
    for name in path:
        table = table[name]
    table[last] = "@"
    return json.dumps(made).replace('"@"', value)


NUMBERS = (
    "bias",
    "scale",
    "gate.threshold",
    "gate.temperature",
    "normalization.alpha",
    "normalization.gamma",
    "normalization.low",
    "normalization.high",
    "spectrogram.sample_rate",
    "spectrogram.n_fft",
    "spectrogram.hop_length",
    "spectrogram.win_length",
    "version",
)
BAD = ("NaN", "Infinity", "-1e999", "1e999", "9" * 400, "true", '"1"', "null", "[]")


def refused(data, tmp_path):
    path = tmp_path / "hostile.json"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(EffectError) as caught:
        effect_lib.load_effect(path)
    message = str(caught.value)
    assert "\n" not in message and "\r" not in message
    assert message.startswith(f"{path}: ") and len(message) < 400
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("value", BAD, ids=lambda v: v[:9])
@pytest.mark.parametrize("field", NUMBERS)
def test_a_bad_number_is_refused_by_name(field, value, tmp_path):
    assert field in refused(text(field, value), tmp_path)


@pytest.mark.parametrize(
    "field, value",
    [
        ("kernel", "[[1,2,3],[1,2,3]]"),
        ("kernel", "[[1,2,3],[1,2,3],[1,2]]"),
        ("kernel", "[1,2,3,4,5,6,7,8,9]"),
        ("kernel", '"123"'),
        ("kernel", '["123","123","123"]'),
        ("kernel", "{}"),
        ("kernel", "[[1,2,3],[1,2,NaN],[1,2,3]]"),
        ("kernel", "[[1,2,3],[1,2,true],[1,2,3]]"),
        ("kernel", "[[[1],2,3],[1,2,3],[1,2,3]]"),
        ("bias", "10001"),
        ("scale", "-1e5"),
        ("gate.temperature", "-1"),
        ("spectrogram.n_fft", "65538"),
        ("spectrogram.n_fft", "2047"),
        ("spectrogram.n_fft", "2048.0"),
        ("spectrogram.n_fft", "1000000000000"),
        ("spectrogram.hop_length", "0"),
        ("spectrogram.hop_length", "500"),
        ("spectrogram.hop_length", "2048"),
        ("spectrogram.sample_rate", "1"),
        ("spectrogram.win_length", "1024"),
        ("spectrogram.window", '"hamming"'),
        ("spectrogram.window", "1"),
        ("normalization.high", "0.0"),
        ("normalization.high", "-1"),
        ("normalization.gamma", "0"),
        ("normalization.alpha", "-10"),
        ("version", "3"),
        ("version", "0"),
        ("format", '"cak-effects"'),
        ("format", "1"),
        ("name", '""'),
        ("name", "5"),
        ("name", '"a\\nb"'),
        ("name", '"\\u0000"'),
        ("name", '"\\ud800"'),
        ("name", '"%s"' % ("x" * 201)),
        ("gate", "[]"),
        ("gate", "null"),
        ("spectrogram", "3"),
        ("normalization", '"x"'),
        ("provenance", "[]"),
    ],
)
def test_a_bad_value_is_refused_by_name(field, value, tmp_path):
    found = refused(text(field, value), tmp_path)
    # A pair of faults may be named by either of its fields.
    last = field.split(".")[-1]
    partners = {"hop_length": "n_fft", "n_fft": "win_length"}
    assert last in found or partners.get(last, last) in found


RISING = "[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]"


@pytest.mark.parametrize(
    "field, value, fault",
    [
        ("spectrogram.spacing", "3", "spectrogram.spacing must be two whole numbers"),
        ("spectrogram.spacing", "[1, 2, 3]", "spectrogram.spacing must be two"),
        ("spectrogram.spacing", "null", "spectrogram.spacing must be two"),
        ("spectrogram.spacing", "[1, 0]", "spectrogram.spacing[1] must be between 1"),
        ("spectrogram.spacing", "[17, 1]", "spectrogram.spacing[0] must be between 1"),
        ("spectrogram.spacing", "[1, 2.0]", "spectrogram.spacing[1] must be a whole"),
        ("spectrogram.spacing", "[true, 1]", "spectrogram.spacing[0] must be a whole"),
        ("quality", "null", "quality must be an object"),
        ("quality", "{}", "quality.range is missing"),
        ("quality", '{"range": 1, "unit": "dB"}', "quality.name is missing"),
        ("quality", '{"range": 1, "name": "a"}', "quality.unit is missing"),
        ("quality", '{"range": 0, "name": "a", "unit": "dB"}', "quality.range must be"),
        ("quality", '{"range": -1, "name": "a", "unit": "dB"}', "quality.range must"),
        ("quality", '{"range": NaN, "name": "a", "unit": "dB"}', "quality.range must"),
        ("quality", '{"range": "1", "name": "a", "unit": "dB"}', "quality.range must"),
        ("quality", '{"range": 1, "name": "a\\n", "unit": "dB"}', "quality.name must"),
        ("quality", '{"range": 1, "name": 5, "unit": "dB"}', "quality.name must be"),
        ("quality", '{"range": 1, "name": "a", "unit": ""}', "quality.unit must be"),
        ("knob", "null", "knob must be 9 numbers"),
        ("knob", "[0, 1]", "knob must be 9 numbers"),
        ("knob", RISING.replace("[0,", "[0.05,"), "knob[0] must be 0, got 0.05"),
        ("knob", RISING.replace("0.4", "0.3"), "knob[4] must be above knob[3]"),
        ("knob", RISING.replace("0.8", "0.7"), "knob[8] must be above knob[7]"),
        ("knob", RISING.replace("0.8", "4.1"), "knob[8] must be between 0 and 4"),
        ("knob", RISING.replace("0.5", "NaN"), "knob[5] must be between"),
        ("knob", RISING.replace("0.5", "true"), "knob[5] must be a number"),
    ],
)
def test_a_fault_of_version_2_is_named(field, value, fault, tmp_path):
    version_2 = text(field, value).replace('"version": 1', '"version": 2')
    assert refused(version_2, tmp_path).startswith(fault)
    # A file of version 1 may hold anything there that JSON holds.
    path = tmp_path / "first.json"
    path.write_text(text(field, value))
    if "NaN" not in value:
        assert effect_lib.load_effect(path).knob is None


@pytest.mark.parametrize(
    "field", [*NUMBERS, "kernel", "name", "format", "gate", "spectrogram.window"]
)
def test_a_missing_key_is_refused_by_name(field, tmp_path):
    made = document()
    table = made
    *path, last = field.split(".")
    for name in path:
        table = table[name]
    del table[last]
    assert refused(json.dumps(made), tmp_path) == f"{field} is missing"


@pytest.mark.parametrize(
    "data, word",
    [
        (text("bias", "9" * 5000), "JSON"),
        (text("bias", '1, "bias": 2'), "bias"),
        (text("gate", '{"threshold": 1, "threshold": 2}'), "threshold"),
        (text("gate", '{"a\\nb": 1, "a\\nb": 2}'), "b"),
        (b"\xef\xbb\xbf" + effect_lib.dumps(make()).encode(), "BOM"),
        (effect_lib.dumps(make()).encode("utf-16"), "UTF-8"),
        ("[" * 30_000, "JSON"),
        ('{"a":' * 9_000, "JSON"),
        (effect_lib.dumps(make()) + " " * 2**20, "larger"),
        (b"", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
        (b"{}", "format"),
        (b"<!doctype html><html></html>", "JSON"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00", "UTF-8"),
        (effect_lib.dumps(make())[:-40], "JSON"),
        (effect_lib.dumps(make()) + "{}", "JSON"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_hostile_file_is_refused(data, word, tmp_path):
    assert word in refused(data, tmp_path)


@pytest.mark.parametrize("name", ["missing.json", ""])
def test_a_missing_file_and_a_folder_are_refused(name, tmp_path):
    with pytest.raises(EffectError, match=r"no such file; give an effect\.json"):
        effect_lib.load_effect(tmp_path / name)


@pytest.mark.parametrize("where", ["future", "provenance"])
@pytest.mark.parametrize(
    "value",
    ['{"a": NaN}', '{"a": 1e999}', '{"a":' * 900 + "1" + "}" * 900],
    ids=["nan", "huge", "deep"],
)
def test_what_can_be_read_can_be_written(where, value, tmp_path):
    """Also what a stranger put where this version does not look."""
    path = tmp_path / "strange.json"
    path.write_text(text("provenance", value).replace("provenance", where))
    try:
        effect = effect_lib.load_effect(path)
    except EffectError:
        return  # refusing it is as good
    effect_lib.save_effect(effect, tmp_path / "copy.json")
    assert effect_lib.load_effect(tmp_path / "copy.json") == effect
