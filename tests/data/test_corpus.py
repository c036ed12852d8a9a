"""From a folder to clips: what is cut, and how it is split."""

import json
import os
import shutil

import numpy as np
import pytest
import soxr
from support.sounds import (
    ALPHA,
    RATE,
    SPECTROGRAM,
    assert_same,
    clip_of,
    put,
    reasons,
    sound,
)
from support.without_pyav import without_pyav

from cak_jax.audio import sound_file
from cak_jax.data import clips
from cak_jax.data.corpus import corpus_from_clips
from cak_jax.data.scan import CorpusError, Source
from cak_jax.data.settings import CorpusSettings


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
    real = sound_file.blocks
    monkeypatch.setattr(sound_file, "blocks", lambda path, note: real(path, block))
    assert_same(load(cache=str(tmp_path / "other")), expected)


def test_damage_behind_the_last_clip_costs_nothing(tmp_path):
    path = put(tmp_path, "x.flac", sound(30), format="FLAC", subtype="PCM_16")
    info = sound_file.info(path)
    wanted = sound_file.read(path)[0][0, 5 * RATE :][:RATE] / np.float32(2**31)
    data = path.read_bytes()
    place = len(data) * 8 // 9
    path.write_bytes(data[:place] + bytes(300) + data[place + 300 :])
    cut = clips.Cut(Source(str(path), "x.flac", "", info), (5 * RATE,), False)
    notes = []
    with without_pyav():
        [clip] = clips.cut_file(cut, clips.Shape(RATE, RATE, 0, "start"), notes.append)
    np.testing.assert_array_equal(clip.audio, wanted)
    [note] = notes
    assert "is damaged (" in note and note.endswith("), behind the last clip")


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


def test_one_file_holds_out_its_end(folder, load):
    put(folder, "x.wav", sound(10))
    found = load(held_out=0.2)
    assert found.training.tolist() == list(range(8))
    assert [found.names[clip] for clip in found.evaluation] == [
        "x.wav @ 8.0 s",
        "x.wav @ 9.0 s",
    ]
    assert found.manifest["held_out_by"] == "stretch: the end of the only file"
    assert "as asked" in load(held_out=0.0).manifest["held_out_by"]
    # The file itself is a corpus, too.
    alone = load(held_out=0.2, path=str(folder / "x.wav"))
    np.testing.assert_array_equal(alone.audio, found.audio)
    assert alone.names == found.names


def test_two_clips_are_too_few_to_hold_one_out(folder, load):
    put(folder, "x.wav", sound(2))
    found = load(held_out=0.5)
    np.testing.assert_array_equal(found.evaluation, [0, 1])
    assert "too few clips" in found.manifest["held_out_by"]


def test_a_zip_is_a_corpus(folder, load, tmp_path):
    for seed, name in enumerate(("kick.wav", "deep/hat.wav")):
        put(folder, name, sound(2, seed=seed))
    wanted, archive = load(), tmp_path / "sounds.ZIP"
    shutil.make_archive(str(tmp_path / "made"), "zip", folder)
    (tmp_path / "made.zip").rename(archive)
    found = load(path=str(archive))
    np.testing.assert_array_equal(found.audio, wanted.audio)
    assert found.names == wanted.names
    assert found.manifest["path_name"] == "sounds"
    again = load(path=str(archive))
    assert again.sha256 == found.sha256
    archive.write_bytes(b"PK")
    with pytest.raises(
        CorpusError, match=r"corpus\.path: .*sounds\.ZIP: this is no zip"
    ):
        load(path=str(archive))


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


def test_clips_of_another_count_than_their_names_are_refused():
    raw = np.stack([sound(0.5, seed=index)[:, 0] for index in range(12)])
    settings = CorpusSettings("", fade_seconds=0.0, held_out=0.25)
    with pytest.raises(ValueError, match=r"got \(12, 4000\)"):
        corpus_from_clips(raw, ["a"], np.zeros((1, 2)), settings, SPECTROGRAM, ALPHA)
