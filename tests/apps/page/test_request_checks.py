"""What the page refuses, value by value, and zips; without Gradio and without JAX."""

import io
import json
import math
import struct
import zipfile

import pytest
from support.sounds import put, sound

from cak_jax.apps.page import request_checks, training_process, zip_upload
from cak_jax.apps.page.request_checks import OWN_CODE, OWN_FILE, Picked, RequestError
from cak_jax.effect import locate
from cak_jax.effect.schema import EffectError

REFUSED = (RequestError, EffectError)
HOSTILE = [
    *(math.nan, math.inf, -math.inf, -1, 1e300, 10**400, True, False, None),
    *("0.5", "nan", "", [], [0.5], {}, {"path": "/etc/passwd"}, b"1", 1j),
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_no_number(value):
    """Nothing but a plain finite number in its range is one."""
    with pytest.raises(REFUSED, match=r"^amount must be"):
        request_checks.number("amount", value, 0.0, 2.0)
    with pytest.raises(REFUSED, match=r"^size must be"):
        request_checks.whole("size", value, 1, 16)


def test_numbers():
    assert request_checks.number("amount", 2, 0.0, 2.0) == 2.0
    assert request_checks.whole("size", 3.0, 1, 16) == 3
    with pytest.raises(EffectError, match=r"whole number, got 3\.5"):
        request_checks.whole("size", 3.5, 1, 16)


@pytest.mark.parametrize("value", [*HOSTILE, "GLASS", "../glass", "glass\0", "x" * 999])
def test_no_choice(value):
    with pytest.raises(RequestError) as caught:
        request_checks.choice("the effect", value, ("glass", "none"))
    assert str(caught.value).startswith("the effect must be one of glass, none, got")
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
    """The three ways to name an effect, and what is wrong with one, without a path."""
    document = locate.read("glass")
    good = tmp_path / "good.json"
    good.write_text(json.dumps(document))
    found = request_checks.effect_document(Picked(OWN_FILE, str(good), None), tmp_path)
    assert found == document
    code = locate.read("halo") and _code("halo")
    found = request_checks.effect_document(
        Picked(OWN_CODE, None, f" {code}\n"), tmp_path
    )
    assert found["spectrogram"] == locate.read("halo")["spectrogram"]
    big, bad = tmp_path / "big.json", tmp_path / "bad.json"
    with big.open("wb") as file:
        file.truncate(100 << 20)
    bad.write_text(json.dumps(document | {"bias": "0"}))
    wrong = {
        "larger than": Picked(OWN_FILE, str(big), None),
        "bias must be a number": Picked(OWN_FILE, str(bad), None),
        "damaged": Picked(OWN_CODE, None, code[:-1] + "!"),
        "missing": Picked(OWN_CODE, None, ""),
        "longer than": Picked(OWN_CODE, None, "cak1" * 9999),
        "must be text": Picked(OWN_CODE, None, [code]),
        "choose a file": Picked(OWN_FILE, None, None),
        "must be one of": Picked("/etc/passwd", None, None),
        "16th": Picked(OWN_CODE, None, _code("glass", hop_length=1)),
    }
    for words, picked in wrong.items():
        with pytest.raises(REFUSED, match=words) as caught:
            request_checks.effect_document(picked, tmp_path)
        assert str(tmp_path) not in str(caught.value)


def _code(name: str, **spectrogram) -> str:
    from cak_jax.effect import text_code

    document = locate.read(name)
    document["spectrogram"] |= spectrogram
    return text_code.encode(document)


@pytest.mark.parametrize("n_fft", ["2048", 2047, True, None, [2048], math.nan])
def test_no_frame(n_fft):
    with pytest.raises(RequestError, match="samples a frame"):
        training_process.check("x", 1, 0, 1.0, n_fft, 1.0)


def test_flags_of_a_training():
    """A name stays one argument, whatever it looks like."""
    settings = training_process.check("--workdir=/ x", 8, 3, 1, 2048, 15)
    flags = settings.flags("/my sounds", "")
    assert "--config.name=--workdir=/ x" in flags
    assert "--config.corpus.fade_seconds=2.0" in flags
    assert "--config.spectrogram.hop_length=512" in flags


def archive(tmp_path, entries: dict, **kind):
    path = tmp_path / "sounds.zip"
    with zipfile.ZipFile(path, "w", **kind) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    folder = tmp_path / "out"
    folder.mkdir()
    return path, folder


def test_zip_of_sounds(tmp_path):
    """Only sounds are taken, under names that lead nowhere."""
    link = zipfile.ZipInfo("link.wav")
    link.external_attr = 0o120777 << 16
    entries = {
        "my sounds/a b.wav": b"one",
        "my sounds/": b"",
        "a b.WAV": b"two",
        "notes.txt": b"no",
        ".hidden.wav": b"no",
        "__MACOSX/._a.wav": b"no",
        link: b"/etc/passwd",
        "run.exe": b"no",
    }
    path, folder = archive(tmp_path, entries)
    assert zip_upload.extract(path, folder) == 2
    found = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert found == {"0000_a_b.wav": b"one", "0001_a_b.wav": b"two"}


@pytest.mark.parametrize("name", ["../a.wav", "/a.wav", "x/../../a.wav", "..\\a.wav"])
def test_zip_that_leads_out(tmp_path, name):
    path, folder = archive(tmp_path, {"good.wav": b"x", name: b"x"})
    with pytest.raises(RequestError, match="leads out of it"):
        zip_upload.extract(path, folder)
    assert list(folder.iterdir()) == []


def test_zip_bomb(tmp_path):
    path, folder = archive(
        tmp_path, {"a.wav": bytes(64 << 20)}, compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(RequestError, match="grow more than 200fold"):
        zip_upload.extract(path, folder)
    assert list(folder.iterdir()) == []


def test_zip_that_lies_about_a_size(tmp_path, monkeypatch):
    """What comes out is counted."""
    monkeypatch.setattr(zip_upload, "LARGEST_ENTRY", 1000)
    path, folder = archive(tmp_path, {"a.wav": bytes(5000)})
    data = path.read_bytes()
    directory = data.index(b"PK\1\2")
    lying = bytearray(data)
    for place in (22, directory + 24):
        struct.pack_into("<L", lying, place, 10)
    path.write_bytes(lying)
    with pytest.raises(RequestError, match=r"zip"):
        zip_upload.extract(path, folder)


def test_other_zips(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_upload, "MOST_ENTRIES", 3)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as opened:
        opened.writestr("a.wav", b"x" * 1000)
    good = memory.getvalue()
    end = good.index(b"PK\5\6")
    many, wide = bytearray(good), good[:end] + b"PK\6\7" + bytes(16) + good[end:]
    struct.pack_into("<L", many, end + 12, 1 << 31)
    locked = bytearray(good)
    for place in (6, good.index(b"PK\1\2") + 8):
        locked[place] |= 1
    damaged = bytearray(good)
    damaged[100] ^= 255
    cases = {
        "no zip": b"<html>",
        "(damaged|no zip)": good[:-30],
        "zip64": wide,
        "more than 3 files": bytes(many),
        "password": bytes(locked),
        "damaged": bytes(damaged),
    }
    for number, (words, data) in enumerate(cases.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data)
        with pytest.raises(RequestError, match=words):
            zip_upload.extract(path, folder)
    path, folder = archive(tmp_path, {f"{n}.wav": b"x" for n in range(4)})
    with pytest.raises(RequestError, match="more than 3 files"):
        zip_upload.extract(path, folder)
    path, folder = archive(
        tmp_path / "0", {"a.wav": b"x"}, compression=zipfile.ZIP_LZMA
    )
    with pytest.raises(RequestError, match="unusual"):
        zip_upload.extract(path, folder)
    path, folder = archive(tmp_path / "1", {"a.txt": b"x"})
    with pytest.raises(RequestError, match="no sound file"):
        zip_upload.extract(path, folder)
