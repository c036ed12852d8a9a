"""Text codes of effects: an exact round trip, and every damage found and named."""

import base64
import dataclasses
import json
import struct

import numpy as np
import pytest
from support.applying import EFFECT
from support.sounds import noise

from cak_jax.effect import locate, text_code
from cak_jax.effect.effect import load_effect, save_effect, to_document
from cak_jax.effect.schema import EffectError
from cak_jax.effect.text_code import LENGTHS, decode, encode, left_out, looks_like_code
from cak_jax.model.quality_names import WORDS
from cak_jax.rendering.in_memory import render

# A code that once was given out stays readable.
PUBLISHED = (
    "cak1ozKFPY5y8j3pCCs-cQzGPTrncT1AWo080X9LPcqVrTyDAsw9_AgHvXPRSD-amZk-AACgQQAAIEGa"
    "mVk_AMDiuNc3hkBErAAAAAgAAAACAABkwzFO"
)
LENGTH, LENGTH_2 = LENGTHS["cak1"], LENGTHS["cak2"]
FLOATS = (*range(1, 10), 0.25, 0.5, 0.3, 20.0, 10.0, 0.85, 0.0, 4.0)
WHOLE = (44100, 2048, 512)
EXTREME = (0.0, -0.0, 1e4, -1e4, 2.0**-149, -(2.0**-126), 0.1, 1 / 3, 2.0**-20)


def crc32(data):
    """CRC-32 bit by bit, from its polynomial."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def code_of(floats=FLOATS, whole=WHOLE):
    """A code laid out by hand, of any numbers, with the right checksum."""
    data = b"".join(struct.pack("<f", value) for value in floats)
    data += b"".join(value.to_bytes(4, "little") for value in whole)
    data += crc32(data).to_bytes(4, "little")
    return "cak1" + base64.b64encode(data, b"-_").decode()


KNOB = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.25, 1.5)
LINE = tuple(i / 8 for i in range(9))


def second_of(spacing=(4, 3), knob=KNOB, quality=-3, change=0.75):
    """A code of version 2 laid out by hand, with the right checksum."""
    data = b"".join(struct.pack("<f", value) for value in FLOATS)
    data += b"".join(value.to_bytes(4, "little") for value in WHOLE)
    data += b"".join(value.to_bytes(2, "little") for value in spacing)
    data += b"".join(struct.pack("<f", value) for value in knob)
    data += struct.pack("<if", quality, change)
    assert len(data) == 128
    data += crc32(data).to_bytes(4, "little")
    return "cak2" + base64.b64encode(data, b"-_").decode()


def changed(place, value):
    return (*FLOATS[:place], value, *FLOATS[place + 1 :])


def floats_of(document):
    gate, constants = document["gate"], document["normalization"]
    return [
        *np.ravel(document["kernel"]),
        *(document["bias"], document["scale"]),
        *(gate["threshold"], gate["temperature"]),
        *(constants[name] for name in ("alpha", "gamma", "low", "high")),
    ]


def bits(values):
    """Of the nearest float32: tells 0.0 from -0.0."""
    return np.asarray(values, np.float32).tobytes()


def random_document(rng):
    def number():
        if rng.random() < 0.1:
            return float(rng.choice(EXTREME))
        return float(rng.choice([-1, 1]) * 10 ** rng.uniform(-37, 3.9))

    low = rng.uniform(-40, 40)
    overlap = int(2 ** rng.integers(1, 4))
    hop = int(rng.integers(8, 4096))
    return {
        "format": "cak-effect",
        "version": 1,
        "name": "any",
        "kernel": [[number() for _ in range(3)] for _ in range(3)],
        "bias": number(),
        "scale": number(),
        "gate": {"threshold": number(), "temperature": abs(number())},
        "spectrogram": {
            "sample_rate": int(rng.integers(4000, 768001)),
            "n_fft": hop * overlap,
            "hop_length": hop,
            "win_length": hop * overlap,
            "window": "hann",
        },
        "normalization": {
            "alpha": float(10 ** rng.uniform(-6, 6)),
            "gamma": float(10 ** rng.uniform(-2, 2)),
            "low": low,
            "high": low + float(rng.uniform(0.01, 9)),
        },
    }


def refused(code):
    with pytest.raises(EffectError) as caught:
        decode(code)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < 250
    assert message.isascii() and message.isprintable()
    return message


@pytest.mark.parametrize("name", locate.names())
def test_a_shipped_effect_comes_back(name):
    document = locate.read(name)
    code = encode(document)
    prefix, length = ("cak2", 180) if "quality" in document else ("cak1", 116)
    assert len(code) == LENGTHS[prefix] == length and code.startswith(prefix)
    assert set(code) <= text_code.ALPHABET
    again = decode(code)
    assert bits(floats_of(again)) == bits(floats_of(document))
    sees = {"spacing": [1, 1]} | document["spectrogram"]
    assert {"spacing": [1, 1]} | again["spectrogram"] == sees
    assert np.allclose(again.get("knob", 0), document.get("knob", 0), rtol=1e-7)
    assert encode(again) == code
    assert again["normalization"]["gamma"] == 0.85 and again["gate"]["threshold"] == 0.3


def test_the_layout_is_the_documented_one():
    document = decode(code_of())
    assert floats_of(document) == list(FLOATS)
    found = document["spectrogram"]
    assert (found["sample_rate"], found["n_fft"], found["hop_length"]) == WHOLE
    assert encode(document) == code_of()
    data = base64.b64decode(code_of()[4:], b"-_")
    assert document["name"] == f"code-{data[:79:-1].hex()}"


def test_a_code_stays_readable():
    expected = json.loads(locate.find("published").read_text("utf-8"))
    assert bits(floats_of(decode(PUBLISHED))) == bits(floats_of(expected))
    assert encode(expected) == PUBLISHED


def test_the_second_layout_is_the_documented_one():
    code = second_of()
    assert len(code) == LENGTH_2 == 4 + 176
    document = decode(code)
    assert document["version"] == 2
    assert floats_of(document) == list(FLOATS)
    assert document["spectrogram"]["spacing"] == [4, 3]
    assert document["knob"] == list(KNOB)
    assert document["quality"] == {
        "name": "-attack",
        "unit": "natural log",
        "range": 0.75,
    }
    assert encode(document) == code
    effect = load_effect(code)
    assert (effect.spacing, effect.knob) == ((4, 3), KNOB)
    assert encode(to_document(effect)) == code


@pytest.mark.parametrize(
    "values, missing",
    [({"knob": LINE}, "knob"), ({"quality": 0, "change": 0.0}, "quality"),
     ({"spacing": (1, 1)}, None)],
)  # fmt: skip
def test_a_code_of_version_2_without_one_of_its_fields(values, missing):
    document = decode(second_of(**values))
    assert {"quality", "knob"} - set(document) == {missing} - {None}
    assert encode(document) == second_of(**values)


def test_what_version_1_holds_has_the_short_code():
    plain = decode(code_of())
    for document in (
        plain,
        {**plain, "version": 2},
        {**plain, "version": 2, "knob": list(LINE)},
        decode(second_of((1, 1), LINE, 0, 0.0)),
    ):
        assert encode(document) == code_of()


def test_every_quality_has_its_number():
    """Codes are kept for years: numbers may be added, none may change."""
    assert list(WORDS)[:4] == [
        "spectral_flatness",
        "spectral_centroid",
        "attack",
        "spectral_contrast",
    ]
    for number, name in enumerate(WORDS, 1):
        for sign, given in ((1, name), (-1, f"-{name}")):
            document = decode(second_of(quality=sign * number))
            assert document["quality"]["name"] == given
            assert document["quality"]["unit"] == WORDS[name].unit
            assert encode(document) == second_of(quality=sign * number)


@pytest.mark.parametrize(
    "values, field",
    [
        ({"spacing": (0, 1)}, "spectrogram.spacing[0]"),
        ({"spacing": (1, 17)}, "spectrogram.spacing[1]"),
        ({"spacing": (1, 65535)}, "spectrogram.spacing[1]"),
        ({"knob": (0.5, *KNOB[1:])}, "knob[0]"),
        ({"knob": (*KNOB[:8], float("nan"))}, "knob[8]"),
        ({"knob": KNOB[:1] + KNOB[:8]}, "knob[1]"),
        ({"quality": 1 + len(WORDS)}, "quality"),
        ({"quality": -(2**31)}, "quality"),
        ({"quality": 2**31 - 1}, "quality"),
        ({"change": 0.0}, "quality.range"),
        ({"change": float("inf")}, "quality.range"),
    ],
)
def test_absurd_fields_of_version_2_are_refused_by_name(values, field):
    assert field in refused(second_of(**values))


def test_damage_of_version_2_is_found():
    code = second_of()
    for place in range(LENGTH_2):
        head, tail = code[:place], code[place:]
        assert "damaged" in refused(head + tail[1:])
        assert "damaged" in refused(head + ("A" if tail[0] != "A" else "B") + tail[1:])
    assert "not 180" in refused(code[:LENGTH])
    assert looks_like_code(code[4:]) and looks_like_code(code[:-9])


def test_a_quality_without_a_number_is_left_out_and_the_knob_kept():
    document = decode(second_of())
    assert left_out(document) == ""
    for name in ("warmth", "-warmth", "--attack"):
        document["quality"] = {"name": name, "unit": "dB", "range": 1.0}
        assert encode(document) == second_of(quality=0, change=0.0)
        assert left_out(document).startswith(
            f"the code leaves out the quality '{name}'"
        )
    document["quality"] = {"name": "attack", "unit": "points", "range": 1.0}
    document["quality"]["reader"] = {"attack": 1.0}
    assert encode(document) == second_of(quality=0, change=0.0)
    assert "'attack'" in left_out(document)
    # Nothing else that needs the longer code.
    del document["knob"], document["spectrogram"]["spacing"]
    assert encode(document).startswith("cak1")
    assert left_out(decode(encode(document))) == ""
    document = decode(second_of())
    document["quality"] = {"name": "attack", "unit": "dB", "range": 1.0}
    document["knob"] = [0, 1e-60, *KNOB[2:]]
    with pytest.raises(EffectError, match=r"mine: knob\[1\] is too small"):
        encode(document, "mine")


def test_any_document_comes_back():
    rng = np.random.default_rng(0)
    for _ in range(300):
        document = random_document(rng)
        code = encode(document)
        again = decode(code)
        assert bits(floats_of(again)) == bits(floats_of(document))
        assert again["spectrogram"] == document["spectrogram"]
        assert encode(again) == code and len(code) == LENGTH
        # What is shortest for numpy is what stands in the document.
        shortest = [float(str(np.float32(value))) for value in floats_of(document)]
        assert floats_of(again) == shortest


def test_a_file_and_a_name_win_over_a_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_effect(PUBLISHED).name == "code-4e31c364"
    monkeypatch.setattr(locate, "FOLDER", tmp_path / "shipped")
    locate.FOLDER.mkdir()
    save_effect(EFFECT, locate.FOLDER / f"{PUBLISHED}.json")
    assert load_effect(PUBLISHED) == EFFECT
    save_effect(dataclasses.replace(EFFECT, name="own"), PUBLISHED)
    assert load_effect(PUBLISHED).name == "own"
    # A path is no code, and no code a path.
    for given in (f"./{PUBLISHED[:-1]}", f"{PUBLISHED}.json"):
        with pytest.raises(EffectError, match="there is no such file; give an effect"):
            load_effect(given)


def test_rendering_is_the_same():
    audio = noise(20000).T
    for name in ("tones", "published"):
        own, coded = load_effect(name), load_effect(encode(locate.read(name)))
        wet, again = (render(effect, audio, 44100, 0.9) for effect in (own, coded))
        assert np.abs(wet - audio).max() > 0.01
        np.testing.assert_allclose(again, wet, rtol=0, atol=1e-6)
        assert (render(coded, audio, 44100, 0.0) == audio).all()


@pytest.mark.parametrize("place", range(LENGTH))
def test_a_wrong_character_is_found(place):
    others = sorted(text_code.ALPHABET - {PUBLISHED[place]})
    for other in [*others[place % 7 :: 7], ".", " ", "\u0430"]:
        code = PUBLISHED[:place] + other + PUBLISHED[place + 1 :]
        assert looks_like_code(code) or place < 4 or not other.isalnum()
        assert "damaged" in refused(code)


def test_a_lost_doubled_or_swapped_character_is_found():
    for place in range(LENGTH):
        head, tail = PUBLISHED[:place], PUBLISHED[place:]
        assert "damaged" in refused(head + tail[1:])
        assert "damaged" in refused(head + tail[0] + tail)
        swapped = head + tail[1:2] + tail[0] + tail[2:]
        if swapped != PUBLISHED:
            assert "damaged" in refused(swapped)


@pytest.mark.parametrize(
    "place, field",
    [(0, "kernel[0][0]"), (5, "kernel[1][2]"), (8, "kernel[2][2]"), (9, "bias"),
     (10, "scale"), (11, "gate.threshold"), (12, "gate.temperature"),
     (13, "normalization.alpha"), (14, "normalization.gamma"),
     (15, "normalization.low"), (16, "normalization.high")],
)  # fmt: skip
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4028234663852886e38, 2e7])
def test_an_absurd_number_is_refused_by_name(place, field, value):
    assert f": {field} must be between" in refused(code_of(changed(place, value)))


@pytest.mark.parametrize(
    "whole, field",
    [((0, 2048, 512), "sample_rate"), ((44100, 2**32 - 1, 512), "n_fft"),
     ((44100, 2048, 0), "hop_length"), ((44100, 2048, 500), "n_fft"),
     ((44100, 2049, 683), "n_fft"), ((44100, 2048, 2048), "hop_length")],
)  # fmt: skip
def test_absurd_settings_are_refused_by_name(whole, field):
    assert field in refused(code_of(whole=whole))


@pytest.mark.parametrize(
    "code",
    ["", " ", "cak1", "cak", "cak2" + PUBLISHED[4:], "CAK1" + PUBLISHED[4:],
     PUBLISHED + "\n", " " + PUBLISHED, PUBLISHED + "==", PUBLISHED * 2, "../cak1",
     "cak1/../../etc", "cak1\n" + PUBLISHED[5:], "cak1\0", "\ud800" * LENGTH,
     "cak1" + "\u0661" * 112, "cak1" + "A" * 2**20, "x" * 2**20, "{}",
     "cak1" + "A" * 112, "cak1" + "_" * 112],
    ids=lambda code: ascii(code[:12]),
)  # fmt: skip
def test_hostile_text_is_refused(code):
    refused(code)
    with pytest.raises(EffectError) as caught:
        load_effect(code)
    assert len(str(caught.value)) < 400
    # As long as it can be one, it is called a damaged code, not a missing file.
    if looks_like_code(code) and "/" not in code:
        assert "code" in str(caught.value)
        assert "no such file" not in str(caught.value)


@pytest.mark.parametrize("code", [None, 5, b"cak1", ["cak1"]])
def test_a_code_is_a_string(code):
    with pytest.raises(EffectError, match="a text code is a string, got"):
        decode(code)


def test_what_float32_cannot_hold_is_refused():
    document = decode(PUBLISHED)
    for field, value in (("bias", 1e-60), ("scale", -1e-300)):
        with pytest.raises(EffectError, match=f"mine: {field} is too small"):
            encode(document | {field: value}, "mine")
    near = {"low": 49.9999985, "high": 50.0}
    close = document | {"normalization": document["normalization"] | near}
    with pytest.raises(EffectError, match=r"float32: normalization\.high must be abov"):
        encode(close)
    with pytest.raises(EffectError, match="bias must be between"):
        encode(document | {"bias": 1e39})
    with pytest.raises(EffectError, match="format is missing"):
        encode({})
