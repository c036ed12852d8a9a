"""Zips of sounds: which files are taken, and which zips are refused."""

import io
import struct
import zipfile

import pytest

from cak_jax.data import sound_zip
from cak_jax.data.sound_zip import ZipError


def archive(tmp_path, entries: dict, **kind):
    path = tmp_path / "sounds.zip"
    with zipfile.ZipFile(path, "w", **kind) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    folder = tmp_path / "out"
    folder.mkdir()
    return path, folder


def test_zip_of_sounds(tmp_path):
    """Only sounds are extracted, under safe names."""
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
    assert sound_zip.extract(path, folder) == 2
    found = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert found == {"0000_a_b.wav": b"one", "0001_a_b.wav": b"two"}


@pytest.mark.parametrize("name", ["../a.wav", "/a.wav", "x/../../a.wav", "..\\a.wav"])
def test_zip_that_leads_out(tmp_path, name):
    path, folder = archive(tmp_path, {"good.wav": b"x", name: b"x"})
    with pytest.raises(ZipError, match="leads out of it"):
        sound_zip.extract(path, folder)
    assert list(folder.iterdir()) == []


def test_zip_bomb(tmp_path):
    path, folder = archive(
        tmp_path, {"a.wav": bytes(64 << 20)}, compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ZipError, match="grow more than 200fold"):
        sound_zip.extract(path, folder)
    assert list(folder.iterdir()) == []


def test_zip_that_lies_about_a_size(tmp_path, monkeypatch):
    """The extracted bytes are counted."""
    monkeypatch.setattr(sound_zip, "LARGEST_ENTRY", 1000)
    path, folder = archive(tmp_path, {"a.wav": bytes(5000)})
    data = path.read_bytes()
    directory = data.index(b"PK\1\2")
    lying = bytearray(data)
    for place in (22, directory + 24):
        struct.pack_into("<L", lying, place, 10)
    path.write_bytes(lying)
    with pytest.raises(ZipError, match=r"zip"):
        sound_zip.extract(path, folder)


def test_other_zips(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_zip, "MOST_ENTRIES", 3)
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
        with pytest.raises(ZipError, match=words):
            sound_zip.extract(path, folder)
    path, folder = archive(tmp_path, {f"{n}.wav": b"x" for n in range(4)})
    with pytest.raises(ZipError, match="more than 3 files"):
        sound_zip.extract(path, folder)
    path, folder = archive(
        tmp_path / "0", {"a.wav": b"x"}, compression=zipfile.ZIP_LZMA
    )
    with pytest.raises(ZipError, match="unusual"):
        sound_zip.extract(path, folder)
    path, folder = archive(tmp_path / "1", {"a.txt": b"x"})
    with pytest.raises(ZipError, match="no sound file"):
        sound_zip.extract(path, folder)
