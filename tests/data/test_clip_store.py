"""Prepared clips on disk: opened again, keyed, safe from kills and full disks."""

import json
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from support.sounds import ALPHA, RATE, SPECTROGRAM, assert_same, fill, put, sound

from cak_jax.audio import sound_file
from cak_jax.data import clip_store, statistics
from cak_jax.data.corpus import load_corpus
from cak_jax.data.scan import CorpusError
from cak_jax.data.settings import CorpusSettings
from cak_jax.runtime import json_file


def test_second_load_decodes_and_measures_nothing(folder, load, monkeypatch):
    fill(folder)
    first = load(held_out=0.25, labels="rms")

    def never(*_, **__):
        raise AssertionError("this was prepared already")

    for name in ("blocks", "info"):
        monkeypatch.setattr(sound_file, name, never)
    monkeypatch.setattr(statistics, "measure", never)
    monkeypatch.setattr(clip_store, "_decode", never)
    second = load(held_out=0.25, labels="rms")
    assert_same(first, second)
    assert isinstance(second.audio, np.memmap)
    assert not second.audio.flags.writeable


def test_labels_and_alpha_share_a_store(folder, load, monkeypatch):
    fill(folder)
    first = load()
    monkeypatch.setattr(clip_store, "_decode", None)
    other = load(labels="rms")
    assert other.audio.filename == first.audio.filename
    assert other.sha256 != first.sha256
    settings = CorpusSettings(
        str(folder), seconds=1.0, fade_seconds=0.0, held_out=0.0,
        cache=str(folder.parent / "cache"),
    )  # fmt: skip
    louder = load_corpus(settings, SPECTROGRAM, 20.0)
    assert louder.high > first.high


def test_changed_file_or_setting_is_another_store(folder, load):
    fill(folder)
    seen = {load().sha256, load(seconds=0.5).sha256, load(fade_seconds=0.1).sha256}
    put(folder, "0.wav", sound(2.5, 11025, 2, 77), 11025)
    seen.add(load().sha256)
    assert len(seen) == 4


def test_number_of_threads_does_not_matter(folder, load, monkeypatch, tmp_path):
    fill(folder, 7)
    first = load(held_out=0.3)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert_same(first, load(held_out=0.3, cache=str(tmp_path / "other")))


def flip(path: Path, place: int) -> None:
    """Change one bit, in the way that a disk or a memory does."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "truncated": lambda data, note: os.truncate(data, 100),
    "missing": lambda data, note: data.unlink(),
    "a bit of a sample": lambda data, note: flip(data, 4 * (RATE + 3)),
    "no JSON": lambda data, note: note.write_text("{"),
    "no object": lambda data, note: note.write_text("[1]"),
    "empty": lambda data, note: note.write_text(""),
    "a digit": lambda data, note: flip(note, note.read_bytes().index(b"0.")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_store_is_made_again(folder, load, damage, caplog):
    fill(folder)
    first = load()
    expected = np.array(first.audio), first.manifest
    data = Path(first.audio.filename)
    DAMAGE[damage](data, data.parent / "store.json")
    caplog.clear()
    again = load()
    assert [r.getMessage() for r in caplog.records] == [
        f"{data.parent}: damaged, or of another version; the clips are prepared again"
    ]
    np.testing.assert_array_equal(again.audio, expected[0])
    assert again.manifest == expected[1]
    caplog.clear()
    assert load().manifest == expected[1] and not caplog.records


@pytest.mark.parametrize("name", ["statistics-*.json", "../files-*.json"])
def test_damaged_findings_are_found_again(folder, load, name):
    """Of the corpus's constants, and of the files that were looked at before."""
    fill(folder)
    first = load()
    [note] = Path(first.audio.filename).parent.glob(name)
    value = json_file.read_sealed(note)
    text = note.read_text()
    digits = [at for at, sign in enumerate(text) if sign.isdigit()]
    for place in digits[:: max(1, len(digits) // 20)]:
        flip(note, place)
        assert_same(load(), first)
        assert json_file.read_sealed(note) == value


def test_interrupted_build_leaves_nothing(folder, load, monkeypatch, tmp_path):
    fill(folder)
    real = clip_store.Rows.write
    calls = []

    def interrupt(self, row, clip):
        calls.append(row)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, row, clip)

    monkeypatch.setattr(clip_store.Rows, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load()
    cache = tmp_path / "cache"
    assert [p.name for p in cache.iterdir() if not p.name.startswith("files-")] == []
    monkeypatch.undo()
    assert load().audio.shape == (8, RATE)


def test_full_disk_is_one_line(folder, load, monkeypatch, tmp_path):
    fill(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal: writing beyond the limit fails like a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(
            CorpusError, match=r"corpus\.cache: .*too large.*make space"
        ):
            load()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = [path.name for path in (tmp_path / "cache").iterdir()]
    assert all(name.startswith("files-") for name in left)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(clip_store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        CorpusError, match=r"cache has 0 kB free, the clips need \d+ kB"
    ):
        load(seconds=0.7)


def test_slower_of_two_processes_takes_the_other_store(tmp_path):
    cache = str(tmp_path)
    with clip_store.build_store(cache, "key", 1, 4) as (rows, content):
        with clip_store.build_store(cache, "key", 1, 4) as (faster, other):
            faster.write(0, np.full(4, 2.0))
            other["clips"] = [clip_store.summary(np.full(4, 2.0))]
        rows.write(0, np.full(4, 1.0))
        content["clips"] = [clip_store.summary(np.full(4, 1.0))]
    assert clip_store.open_store(cache, "key").audio.tolist() == [[2.0] * 4]
    assert os.listdir(cache) == ["key"]


def test_cache_without_a_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(CorpusError, match=r"corpus\.cache: there is no home folder"):
        clip_store.cache_folder("")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert clip_store.cache_folder("") == str(tmp_path / "cak_jax")
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(CorpusError, match=r"corpus\.cache: .*cannot be made"):
        clip_store.cache_folder(str(blocked / "x"))


def test_progress_counts_up_to_the_total(folder, tmp_path):
    fill(folder)
    calls = []
    cache = str(tmp_path / "c")
    settings = CorpusSettings(str(folder), seconds=1.0, fade_seconds=0.1, cache=cache)
    load_corpus(settings, SPECTROGRAM, ALPHA, lambda *call: calls.append(call))
    for what, total in (("reading", 4), ("decoding", 8), ("measuring", 8)):
        own = [(done, all_) for done, all_, name in calls if name == what]
        assert own == sorted(own)
        assert own[-1] == (total, total)


def test_manifest_holds_no_paths_and_is_json(folder, load, tmp_path):
    fill(folder)
    found = load(held_out=0.25)
    manifest = found.manifest
    text = json.dumps(manifest, allow_nan=False)
    assert str(tmp_path) not in text
    assert manifest["path_name"] == "sounds"
    assert manifest["clips"] == 8
    assert manifest["held_out_clips"] == 2
    assert (manifest["low"], manifest["high"]) == (found.low, found.high)
    listed = [c for f in manifest["files"] for c in f["clips"]]
    assert sorted(c["label"] for c in listed) == sorted(map(float, found.labels))
    assert sum(c["held_out"] for c in listed) == 2
