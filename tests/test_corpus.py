"""From a folder to clips: what is cut, what is left out, what is kept on disk."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from cak_jax import audio, clips, corpus, prepare, scan, statistics, store
from cak_jax.corpus import CorpusError, CorpusSettings, corpus_from_clips, load_corpus
from cak_jax.spectral import SpectrogramSettings

RATE = 8000
SPECTROGRAM = SpectrogramSettings(sample_rate=RATE, n_fft=256, hop_length=64)
ALPHA = 10.0


def sound(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0):
    """Return smooth noise, `[n, channels]`, below a quarter of the sample rate."""
    generator = np.random.default_rng(seed)
    count = round(seconds * rate)
    time = np.arange(count)[:, None] / rate
    frequencies = generator.uniform(50, 2000, (6, 1, channels))
    phases = generator.uniform(0, 6, (6, 1, channels))
    return 0.1 * np.sin(2 * np.pi * frequencies * time + phases).sum(axis=0)


def put(folder: Path, name: str, samples, rate: int = RATE, **kind) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"format": "WAV", "subtype": "FLOAT"} | kind
    soundfile.write(path, samples, rate, **kind)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sounds"
    path.mkdir()
    return path


@pytest.fixture
def load(folder, tmp_path):
    """Load `folder` with short clips and without fades, unless said otherwise."""

    def run(**changes):
        settings = {"seconds": 1.0, "fade_seconds": 0.0, "held_out": 0.0}
        settings |= {"cache": str(tmp_path / "cache")} | changes
        return load_corpus(CorpusSettings(str(folder), **settings), SPECTROGRAM, ALPHA)

    return run


def reasons(found) -> dict[str, str]:
    return {entry["file"]: entry["reason"] for entry in found.manifest["left_out"]}


def clip_of(found, name: str) -> np.ndarray:
    return np.asarray(found.audio[found.names.index(name)])


# What is cut


def test_all_takes_consecutive_clips_from_the_middle(folder, load):
    samples = sound(3.5)
    put(folder, "x.wav", samples)
    found = load()
    assert found.names == ("x.wav @ 0.2 s", "x.wav @ 1.2 s", "x.wav @ 2.2 s")
    for index in range(3):
        start = RATE // 4 + index * RATE
        expected = samples[start : start + RATE, 0].astype(np.float32)
        np.testing.assert_array_equal(found.audio[index], expected)
    assert found.content.tolist() == [[0, RATE]] * 3
    assert [c["start"] for c in found.manifest["files"][0]["clips"]] == [
        0.25,
        1.25,
        2.25,
    ]


def test_centre_takes_the_middle(folder, load):
    samples = sound(3.5)
    put(folder, "x.wav", samples)
    found = load(clip="centre")
    expected = samples[RATE * 5 // 4 : RATE * 9 // 4, 0].astype(np.float32)
    np.testing.assert_array_equal(found.audio, expected[None])


@pytest.mark.parametrize(("short", "offset"), [("centre", 1000), ("start", 0)])
def test_short_file_is_padded(folder, load, short, offset):
    samples = sound(0.75)
    put(folder, "x.wav", samples)
    found = load(short=short)
    expected = np.zeros(RATE, np.float32)
    expected[offset : offset + 6000] = samples[:, 0]
    np.testing.assert_array_equal(found.audio[0], expected)
    assert found.content.tolist() == [[offset, offset + 6000]]


def test_fades_are_linear_and_reach_zero_and_one(folder, load):
    put(folder, "x.wav", np.full((RATE, 1), 0.5))
    found = load(fade_seconds=0.25)
    ramp = np.linspace(0, 1, 2000, dtype=np.float32)
    expected = np.concatenate([ramp, np.ones(4000, np.float32), ramp[::-1]]) * 0.5
    np.testing.assert_array_equal(found.audio[0], expected.astype(np.float32))


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000, 7919])
def test_clips_equal_those_of_the_whole_file_resampled(folder, load, rate):
    samples = sound(3.3, rate)
    put(folder, "x.wav", samples, rate)
    found = load()
    whole = soxr.resample(samples[:, 0], rate, RATE, "VHQ")
    for clip, entry in zip(
        found.audio, found.manifest["files"][0]["clips"], strict=True
    ):
        # A clip starts at a sample of the file: between two samples of the result.
        place = entry["start"] * RATE
        start = round(place)
        expected = whole[start : start + RATE]
        if abs(place - start) < 1e-3:
            np.testing.assert_allclose(clip, expected, atol=2e-6)
        else:
            spectrum = np.fft.rfft(whole)
            bins = np.arange(len(spectrum))
            shift = np.exp(2j * np.pi * bins * (place - start) / len(whole))
            moved = np.fft.irfft(spectrum * shift, len(whole))[start : start + RATE]
            np.testing.assert_allclose(clip[500:-500], moved[500:-500], atol=5e-3)


@pytest.mark.parametrize("block", [100, 7777])
def test_block_size_does_not_matter(folder, load, monkeypatch, tmp_path, block):
    put(folder, "x.wav", sound(3.3, 11025, 2), 11025)
    expected = load()
    real = audio.blocks
    monkeypatch.setattr(audio, "blocks", lambda path: real(path, block))
    assert_same(load(cache=str(tmp_path / "other")), expected)


KINDS = [
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "DOUBLE"),
    ("AIFF", "PCM_S8"), ("AIFF", "PCM_24"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("CAF", "PCM_16"),
]  # fmt: skip


def test_formats_and_channels(folder, load):
    tolerance = {"PCM_U8": 0.01, "PCM_S8": 0.01, "VORBIS": 0.1, "MPEG_LAYER_III": 0.1}
    mean = {}
    for index, (kind, subtype) in enumerate(KINDS):
        channels = 1 + index % 3 if subtype != "MPEG_LAYER_III" else 2
        samples = sound(1.0, channels=channels, seed=index)
        name = f"deep/{index % 2}/{kind}{subtype}.{kind.lower()}"
        put(folder, name, samples, format=kind, subtype=subtype)
        mean[name] = samples.mean(axis=1), tolerance.get(subtype, 1e-4)
    found = load()
    assert len(found.names) == len(KINDS)
    for name, (expected, error) in mean.items():
        np.testing.assert_allclose(
            clip_of(found, f"{name} @ 0.0 s"), expected, atol=error
        )
    kinds = {entry["format"] for entry in found.manifest["files"]}
    assert kinds == {f"{kind}/{subtype}" for kind, subtype in KINDS}


def test_cancelling_channels_use_the_first(folder, load):
    left = sound(2.0)
    put(folder, "wide.wav", np.hstack([left, -left]))
    put(folder, "plain.wav", np.hstack([left, 0.5 * left]))
    found = load()
    expected = left[:RATE, 0].astype(np.float32)
    np.testing.assert_array_equal(clip_of(found, "wide.wav @ 0.0 s"), expected)
    notes = {f["file"]: f.get("note", "") for f in found.manifest["files"]}
    assert notes["plain.wav"] == ""
    assert "first channel" in notes["wide.wav"]


# The split and the limits


def test_no_file_is_in_both_splits(folder, load):
    for index in range(10):
        put(folder, f"{index}.wav", sound(1 + index % 4, seed=index))
    found = load(held_out=0.3)
    files = np.array([name.split(" @ ")[0] for name in found.names])
    held = set(files[found.evaluation])
    assert len(held) == 3
    assert not held & set(files[found.training])
    assert sorted([*found.training, *found.evaluation]) == list(range(len(files)))
    assert found.manifest["held_out_by"] == "file"
    assert found.manifest["held_out_clips"] == len(found.evaluation)
    assert {name.split(" @ ")[0] for name in load(held_out=0.3, seed=1).names} == {
        *files
    }


def test_split_does_not_depend_on_names(folder, load, tmp_path):
    for index in range(6):
        put(folder, f"{index}.wav", sound(1, seed=index))
    before = load(held_out=0.5)
    for index in range(6):
        os.rename(folder / f"{index}.wav", folder / f"n{9 - index}.wav")
    after = load(held_out=0.5)
    np.testing.assert_array_equal(before.audio, after.audio)
    np.testing.assert_array_equal(before.held_out, after.held_out)


@pytest.mark.parametrize(
    ("files", "share", "expected"),
    [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (10, 0.2, 2), (10, 0.0, 0), (3, 0.9, 2)],
)
def test_held_out_count(files, share, expected):
    assert clips.held_out_count(files, share) == expected


def test_one_file_evaluates_on_its_training_clips(folder, load):
    put(folder, "x.wav", sound(3))
    found = load(held_out=0.2)
    np.testing.assert_array_equal(found.evaluation, [0, 1, 2])
    assert "too few usable files" in found.manifest["held_out_by"]
    assert "as asked" in load(held_out=0.0).manifest["held_out_by"]


def test_training_survives_when_only_held_out_files_are_usable(folder, load):
    put(folder, "a.wav", sound(1))
    put(folder, "b.wav", np.zeros((RATE, 1)))
    for seed in range(4):
        found = load(held_out=0.5, seed=seed)
        assert found.training.tolist() == [0]
        assert reasons(found) == {"b.wav": "silent"}


def test_limits_take_evenly_spaced_clips(folder, load):
    for index in range(3):
        put(folder, f"{index}.wav", sound(4, seed=index))
    whole, part = load(), load(max_clips=5)
    chosen = [int((j + 0.5) * 12 / 5) for j in range(5)]
    assert part.names == tuple(whole.names[i] for i in chosen)
    np.testing.assert_array_equal(part.audio, whole.audio[chosen])
    one = load(max_clips=1)
    assert one.names == (whole.names[6],)
    unused = {name.split(" @ ")[0] for name in whole.names} - {
        one.names[0].split(" @ ")[0]
    }
    assert reasons(one) == dict.fromkeys(
        unused, "not needed: the limit of 1 clips is reached"
    )


# What is left out


def test_everything_left_out_has_its_reason(folder, load):
    good = put(folder, "a.wav", sound(1))
    (folder / "copy.wav").write_bytes(good.read_bytes())
    put(folder, "silent.wav", np.zeros((RATE, 1)))
    bad = sound(1)
    bad[100] = np.nan
    put(folder, "nan.wav", bad)
    put(folder, "loud.wav", 32768 * sound(1, seed=5))
    put(folder, "none.wav", np.zeros((0, 1)))
    put(folder, "slow.wav", sound(1, seed=6), 10)
    flac = put(folder, "cut.flac", sound(9, seed=1), format="FLAC", subtype="PCM_16")
    flac.write_bytes(flac.read_bytes()[:60_000])
    (folder / "words.wav").write_text("not a sound")
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    (folder / "gone.wav").symlink_to("nowhere")
    (folder / "notes.txt").touch()
    (folder / "LICENCE").touch()
    (folder / "._a.wav").touch()
    put(folder, ".trash/x.wav", sound(1, seed=2))
    found = load(max_clips=0)
    expected = {
        "copy.wav": "same content as a.wav",
        "silent.wav": "silent",
        "nan.wav": "holds NaN or infinity",
        "none.wav": "holds no samples",
        "slow.wav": "declares 10 samples per second",
        "empty.wav": "is not an audio file (it is empty)",
        "words.wav": "is not an audio file (it begins with 'not a so')",
        "folder.wav": "is not a regular file",
        "pipe.wav": "is not a regular file",
        "gone.wav": "cannot be opened (No such file or directory)",
    }
    got = reasons(found)
    assert got.pop("cut.flac").startswith("is damaged")
    assert got.pop("loud.wav").startswith("samples reach")
    assert got == expected
    assert found.manifest["ignored"] == {"": 1, ".txt": 1, "hidden": 2}
    assert found.names == ("a.wav @ 0.0 s",)


def test_silent_clips_drop_out_and_the_others_move_up(folder, load):
    samples = sound(5)
    samples[RATE : 2 * RATE] = 0
    samples[3 * RATE : 4 * RATE] = 1e-7
    put(folder, "x.wav", samples)
    found = load()
    assert [name[8:] for name in found.names] == ["0.0 s", "2.0 s", "4.0 s"]
    for row, second in enumerate((0, 2, 4)):
        expected = samples[second * RATE : (second + 1) * RATE, 0].astype(np.float32)
        np.testing.assert_array_equal(found.audio[row], expected)
    assert reasons(found) == {"x.wav @ 1.0 s": "silent", "x.wav @ 3.0 s": "silent"}
    assert os.path.getsize(found.audio.filename) == 3 * RATE * 4


@pytest.mark.parametrize("declared", [0, (1 << 36) - 1])
def test_declared_length_is_counted_where_it_cannot_be(folder, load, declared):
    samples = sound(3)
    path = put(folder, "x.flac", samples, format="FLAC", subtype="PCM_24")
    data = bytearray(path.read_bytes())
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | declared
    data[18:26] = word.to_bytes(8, "big")
    path.write_bytes(data)
    found = load()
    np.testing.assert_allclose(found.audio.ravel(), samples[:, 0], atol=1e-6)


def test_file_that_ends_before_it_declares(folder, load):
    path = put(
        folder, "x.mp3", sound(6, 16000), 16000, format="MP3", subtype="MPEG_LAYER_III"
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = load()
    assert 1 <= len(found.names) <= 3
    assert set(reasons(found).values()) == {"the file ends before it declares"}
    short = load(seconds=10.0)
    begin, end = short.content[0]
    assert 2 * RATE < end - begin < 4 * RATE


@pytest.mark.parametrize("name", ["\U0001f941 drum.wav", "a\nb.wav", "caf\udce9.wav"])
def test_odd_names(folder, load, name):
    put(folder, "x.wav", sound(1))
    try:
        os.rename(folder / "x.wav", os.path.join(folder, name))
    except OSError:
        pytest.skip("this file system does not take the name")
    found = load()
    text = json.dumps(found.manifest, ensure_ascii=False)
    assert text.encode().decode() == text
    assert "\n" not in found.names[0]
    assert found.names[0] == f"{audio.printable(name)} @ 0.0 s"


def test_link_loops_end(folder, load):
    put(folder, "a/x.wav", sound(1))
    (folder / "a/again").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    found = load()
    assert found.names == ("a/x.wav @ 0.0 s",)


def test_runs_inside_the_corpus_are_left_out(folder, load):
    put(folder, "x.wav", sound(1))
    put(folder, "run/previews/y.wav", sound(1, seed=1))
    for name in ("config.json", "metrics.jsonl"):
        (folder / "run" / name).touch()
    found = load()
    assert found.names == ("x.wav @ 0.0 s",)
    assert reasons(found) == {"run": "folder: a training run"}


def test_unusable_folders_are_named_in_one_line(folder, load, tmp_path):
    cases = [("no/such", "does not exist"), (str(__file__), "is not a folder")]
    for path, words in cases:
        with pytest.raises(CorpusError, match=rf"corpus\.path.*{words}"):
            load_corpus(CorpusSettings(path, cache=str(tmp_path)), SPECTROGRAM, ALPHA)
    with pytest.raises(CorpusError, match=r"no usable sound file \(it is empty\)"):
        load()
    (folder / "a.txt").touch()
    (folder / "b.wav").write_text("words")
    with pytest.raises(CorpusError, match=r"b\.wav: is not .*1 files .*\(\.txt\)"):
        load()
    (folder / "b.wav").unlink()
    put(folder, "quiet.wav", np.zeros((RATE, 1)))
    with pytest.raises(CorpusError, match=r"quiet\.wav: silent"):
        load()


@pytest.mark.parametrize(
    "changes",
    [
        {"clip": "middle"}, {"short": "end"}, {"seconds": 0}, {"seconds": np.nan},
        {"fade_seconds": -1}, {"fade_seconds": 8}, {"held_out": 1.0},
        {"held_out": -0.1}, {"max_clips": -1}, {"max_held_out": -1},
    ],
)  # fmt: skip
def test_unusable_settings_name_the_field(changes):
    with pytest.raises(CorpusError, match=rf"corpus\.{next(iter(changes))}: "):
        CorpusSettings("x", **changes)


# The store


def fill(folder: Path, count: int = 4) -> None:
    for index in range(count):
        put(folder, f"{index}.wav", sound(2.5, 11025, 2, index), 11025)


def assert_same(first, second) -> None:
    np.testing.assert_array_equal(first.audio, second.audio)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.content, second.content)
    np.testing.assert_array_equal(first.held_out, second.held_out)
    assert first.names == second.names
    assert (first.low, first.high) == (second.low, second.high)
    assert first.sha256 == second.sha256
    assert first.manifest == second.manifest


def test_second_load_decodes_and_measures_nothing(folder, load, monkeypatch):
    fill(folder)
    first = load(held_out=0.25, labels="rms")

    def never(*_, **__):
        raise AssertionError("this was prepared already")

    for name in ("blocks", "info"):
        monkeypatch.setattr(audio, name, never)
    monkeypatch.setattr(statistics, "measure", never)
    monkeypatch.setattr(prepare, "_decode", never)
    second = load(held_out=0.25, labels="rms")
    assert_same(first, second)
    assert isinstance(second.audio, np.memmap)
    assert not second.audio.flags.writeable


def test_labels_and_alpha_share_a_store(folder, load, monkeypatch):
    fill(folder)
    first = load()
    monkeypatch.setattr(prepare, "_decode", None)
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


@pytest.mark.parametrize("damage", ["truncate", "json", "empty", "remove"])
def test_damaged_store_is_made_again(folder, load, damage):
    fill(folder)
    first = load()
    expected = np.array(first.audio)
    data = Path(first.audio.filename)
    if damage == "truncate":
        os.truncate(data, 100)
    elif damage == "json":
        (data.parent / "store.json").write_text("{")
    elif damage == "empty":
        (data.parent / "store.json").write_text("")
    else:
        data.unlink()
    np.testing.assert_array_equal(load().audio, expected)


def test_interrupted_build_leaves_nothing(folder, load, monkeypatch, tmp_path):
    fill(folder)
    real = store.Rows.write
    calls = []

    def interrupt(self, row, clip):
        calls.append(row)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, row, clip)

    monkeypatch.setattr(store.Rows, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load()
    cache = tmp_path / "cache"
    assert [p.name for p in cache.iterdir() if not p.name.startswith("files-")] == []
    monkeypatch.undo()
    assert load().audio.shape == (8, RATE)


def test_full_disk_is_one_line(folder, load, monkeypatch):
    fill(folder)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Rows, "write", full)
    with pytest.raises(
        CorpusError, match=r"corpus\.cache: .*No space left.*make space"
    ):
        load()
    monkeypatch.undo()
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CorpusError, match=r"corpus\.cache: .*GB free"):
        load(seconds=0.7)


def test_slower_of_two_processes_takes_the_other_store(tmp_path):
    cache = str(tmp_path)
    with store.build_store(cache, "key", 1, 4) as (rows, content):
        with store.build_store(cache, "key", 1, 4) as (faster, other):
            faster.write(0, np.full(4, 2.0))
            other["clips"] = [{}]
        rows.write(0, np.full(4, 1.0))
        content["clips"] = [{}]
    assert store.open_store(cache, "key").audio.tolist() == [[2.0] * 4]
    assert os.listdir(cache) == ["key"]


def test_cache_without_a_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(CorpusError, match=r"corpus\.cache: there is no home folder"):
        store.cache_folder("")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.cache_folder("") == str(tmp_path / "cak_jax")
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(CorpusError, match=r"corpus\.cache: .*cannot be made"):
        store.cache_folder(str(blocked / "x"))


def test_progress_counts_up_to_the_total(folder, tmp_path):
    fill(folder)
    calls = []
    settings = CorpusSettings(str(folder), seconds=1.0, fade_seconds=0.1)
    settings = corpus.dataclasses.replace(settings, cache=str(tmp_path / "c"))
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


# In memory


def test_clips_in_memory_are_treated_like_files(folder, load):
    for index in range(5):
        put(folder, f"{index}.wav", sound(1, seed=index))
    stored = load(fade_seconds=0.2, held_out=0.4, labels="spectral_centroid")
    order = [int(name[0]) for name in stored.names]
    raw = np.stack([sound(1, seed=index)[:, 0] for index in order]).astype(np.float32)
    settings = CorpusSettings(
        "", seconds=1.0, fade_seconds=0.2, held_out=0.4, labels="spectral_centroid"
    )
    content = np.tile([0, RATE], (5, 1))
    names = [f"{index}.wav" for index in order]
    made = corpus_from_clips(raw, names, content, settings, SPECTROGRAM, ALPHA)
    np.testing.assert_array_equal(made.audio, stored.audio)
    np.testing.assert_array_equal(made.labels, stored.labels)
    assert made.held_out.sum() == stored.held_out.sum() == 2
    json.dumps(made.manifest, allow_nan=False)


def test_groups_are_not_split():
    raw = np.stack([sound(0.5, seed=index)[:, 0] for index in range(12)])
    settings = CorpusSettings("", fade_seconds=0.0, held_out=0.25)
    group = [index // 3 for index in range(12)]
    made = corpus_from_clips(
        raw, [f"clip {index}" for index in range(12)], np.tile([0, 4000], (12, 1)),
        settings, SPECTROGRAM, ALPHA, group,
    )  # fmt: skip
    assert made.held_out.sum() == 3
    assert len({group[index] for index in made.evaluation}) == 1
    with pytest.raises(ValueError, match=r"got \(12, 4000\)"):
        corpus_from_clips(raw, ["a"], np.zeros((1, 2)), settings, SPECTROGRAM, ALPHA)


def test_scanning_is_sorted_and_complete(folder):
    names = ["b.wav", "a/c.FLAC", "a/b/d.Mp3", "z.ogg"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert scan.scan(str(folder)).names == sorted(names)
