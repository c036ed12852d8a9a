"""The values that the page refuses; without Gradio and without JAX."""

import json
import math

import pytest
from support.sounds import put, sound

from cak_jax.apps.page import request_checks
from cak_jax.apps.page.request_checks import FROM_CODE, FROM_FILE, RequestError
from cak_jax.effect import locate
from cak_jax.effect.schema import EffectError

REFUSED = (RequestError, EffectError)
HOSTILE = [
    *(math.nan, math.inf, -math.inf, -1, 1e300, 10**400, True, False, None),
    *("0.5", "nan", "", [], [0.5], {}, {"path": "/etc/passwd"}, b"1", 1j),
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_no_number(value):
    """Only a plain finite number in its range is accepted."""
    with pytest.raises(REFUSED, match=r"^amount must be"):
        request_checks.number("amount", value, 0.0, 2.0)
    with pytest.raises(REFUSED, match=r"^size must be"):
        request_checks.whole("size", value, 1, 16)


def test_numbers():
    assert request_checks.number("amount", 2, 0.0, 2.0) == 2.0
    assert request_checks.whole("size", 3.0, 1, 16) == 3
    with pytest.raises(EffectError, match=r"whole number, got 3\.5"):
        request_checks.whole("size", 3.5, 1, 16)


@pytest.mark.parametrize(
    "value", [*HOSTILE, "BRIGHT", "../bright", "bright\0", "x" * 999]
)
def test_no_choice(value):
    with pytest.raises(RequestError) as caught:
        request_checks.choice("the effect", value, ("bright", "none"))
    assert str(caught.value).startswith("the effect must be one of bright, none, got")
    assert len(str(caught.value)) < 160 and str(caught.value).isprintable()


@pytest.mark.parametrize("value", [1, [], {}, "a\nb", "a\0b", "x" * 61, "\x1b[2J"])
def test_no_text(value):
    with pytest.raises(RequestError, match=r"^the name"):
        request_checks.text("the name", value, 60)


def test_only_the_cache_is_read(tmp_path):
    cache, outside = tmp_path / "cache", tmp_path / "outside.wav"
    inside = put(cache, "in.wav", sound(0.1))
    outside.write_bytes(b"secret")
    (cache / "link.wav").symlink_to(outside)
    assert request_checks.uploaded("the sound", str(inside), cache) == inside
    wrong = [
        *(str(outside), "/etc/passwd", str(cache / ".." / "outside.wav")),
        *(str(cache / "link.wav"), str(cache), str(cache / "gone.wav"), ""),
        *(f"{inside}\0", None, 5, [str(inside)], "http://127.0.0.1/x.wav", "x" * 9999),
    ]
    for value in wrong:
        with pytest.raises(RequestError, match=r"^the sound") as caught:
            request_checks.uploaded("the sound", value, cache)
        assert "outside" not in str(caught.value)


def test_effects(tmp_path):
    """Four ways to choose an effect, and errors that name no path."""
    document = locate.read("bright")
    good = tmp_path / "good.json"
    good.write_text(json.dumps(document))
    found = request_checks.effect_document(FROM_FILE, str(good), None, tmp_path)
    assert found == document
    code = locate.read("dark") and _code("dark")
    found = request_checks.effect_document(FROM_CODE, None, f" {code}\n", tmp_path)
    assert found["spectrogram"] == locate.read("dark")["spectrogram"]
    big, bad = tmp_path / "big.json", tmp_path / "bad.json"
    with big.open("wb") as file:
        file.truncate(100 << 20)
    bad.write_text(json.dumps(document | {"bias": "0"}))
    trained = {"20261130": good, "torn": bad}.get
    found = request_checks.effect_document(
        "trained:20261130", None, None, tmp_path, trained
    )
    assert found == document
    for name, words in {"x": "not here any more", "torn": "bias must be"}.items():
        with pytest.raises(REFUSED, match=words) as caught:
            request_checks.effect_document(
                f"trained:{name}", None, None, tmp_path, trained
            )
        assert str(tmp_path) not in str(caught.value)
    wrong = {
        "larger than": (FROM_FILE, str(big), None),
        "bias must be a number": (FROM_FILE, str(bad), None),
        "damaged": (FROM_CODE, None, code[:-1] + "!"),
        "missing": (FROM_CODE, None, ""),
        "longer than": (FROM_CODE, None, "cak1" * 9999),
        "must be text": (FROM_CODE, None, [code]),
        "choose a file": (FROM_FILE, None, None),
        "must be one of": ("/etc/passwd", None, None),
        "16th": (FROM_CODE, None, _code("bright", hop_length=1)),
    }
    for words, chosen in wrong.items():
        with pytest.raises(REFUSED, match=words) as caught:
            request_checks.effect_document(*chosen, tmp_path)
        assert str(tmp_path) not in str(caught.value)


def _code(name: str, **spectrogram) -> str:
    from cak_jax.effect import text_code

    document = locate.read(name)
    document["spectrogram"] |= spectrogram
    return text_code.encode(document)
