"""Metadata: carried as it is, whatever stands around it; read back by others."""

import struct
import warnings

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile
from support.riff import CHUNKS, NOT_KEPT, OWN, plain, walk, with_chunks
from support.sounds import noise

from cak_jax.audio import metadata, sound_file
from cak_jax.audio.formats import output_format, to_float


def copy(source, target):
    """Write a file anew, as it is, with what it holds beside the samples."""
    samples, found = sound_file.read(source)
    format, subtype, _ = output_format(found)
    kept = metadata.carry(source, format, sound_file.tags(source))
    layout = (found.sample_rate, format, subtype)
    sound_file.write(target, to_float(samples), *layout, finish=kept.attach)
    return kept


@pytest.mark.parametrize("place", ["before", "after", "around"])
@pytest.mark.parametrize("frames", [1000, 1001])
@pytest.mark.parametrize("kind", CHUNKS)
def test_chunks_are_carried(tmp_path, kind, frames, place):
    cut = {"before": 99, "after": 0, "around": 3}[place]
    if kind == "RF64":  # where libsndfile trips over odd chunks before the sound
        cut = min(cut, 4)
    bare, source, target = plain(tmp_path, kind, "PCM_24", frames), *two(tmp_path)
    before, after = CHUNKS[kind][:cut], CHUNKS[kind][cut:]
    source.write_bytes(with_chunks(bare, NOT_KEPT + before, after + NOT_KEPT))
    assert copy(source, target).notes == ()
    found = walk(target.read_bytes())
    assert [part for part in found if part[0] not in OWN] == CHUNKS[kind]
    own = [part for part in found if part[0] in OWN and part[0] != b"ds64"]
    assert own == [part for part in walk(bare.read_bytes()) if part[0] != b"ds64"]
    for read in (lambda path: soundfile.read(path, dtype="int32")[0], by_scipy):
        np.testing.assert_array_equal(read(target), read(bare))
    assert soundfile.info(target).format == kind
    # And once more, from what was just written.
    copy(target, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == target.read_bytes()


def two(folder):
    return folder / "source", folder / "target"


def by_scipy(path):
    if path.read_bytes()[:4] == b"FORM":
        return np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        return wavfile.read(path)[1]


@pytest.mark.parametrize("kind", [*CHUNKS, "FLAC"])
def test_a_file_without_metadata_stays_byte_for_byte(tmp_path, kind):
    source, target = plain(tmp_path, kind), tmp_path / "target"
    kept = copy(source, target)
    assert (kept.family, kept.parts, kept.notes) == (metadata.FAMILIES[kind], (), ())
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "CAF"])
def test_tags_are_readable_by_libsndfile(tmp_path, kind):
    source, target = two(tmp_path)
    tags = {"title": "odd", "artist": "even", "album": "\U0001f3a7 \u00e9"}
    tags |= {"date": "1999", "comment": "c" * 301, "genre": "Rock", "tracknumber": "3"}
    if kind == "AIFF":
        tags = {"title": "odd", "artist": "even", "comment": "c" * 301}
    with soundfile.SoundFile(source, "w", 44100, 1, format=kind) as file:
        for name, text in tags.items():
            setattr(file, name, text)
        file.write(0.3 * noise(3000, 1))
    notes = copy(source, target).notes
    found = sound_file.tags(target)
    if kind == "MP3":  # whose letters libsndfile does not always write as it reads them
        tags = {name: sound_file.tags(source)[name] for name in tags}
        assert tags["title"] == "odd"
    if kind == "CAF":
        assert notes == ("tags are not kept in CAF: " + ", ".join(sorted(tags)),)
        assert found == {}
    else:
        assert notes == ()
        assert {name: found.get(name) for name in tags} == tags


def test_tags_of_another_family_become_an_info_list(tmp_path):
    # Of this kind libsndfile writes files that it reads one sample too long.
    source, target = two(tmp_path)
    with soundfile.SoundFile(source, "w", 8000, 1, "PCM_S8", format="AIFF") as file:
        file.title = "bell"
        file.write(noise(100, 1))
    assert copy(source, target).family == "RIFF"
    info = b"INFO" + b"INAM" + struct.pack("<I", 6) + b"bell\0\0"
    assert walk(target.read_bytes())[-1] == (b"LIST", info)


def test_big_endian_wav_gives_its_tags_only(tmp_path):
    source, target = two(tmp_path)
    with soundfile.SoundFile(source, "w", 8000, 1, endian="BIG", format="WAV") as file:
        file.title = "bell"
        file.write(noise(100, 1))
    assert source.read_bytes()[:4] == b"RIFX"
    copy(source, target)
    assert sound_file.tags(target)["title"] == "bell"


AMBISONIC = bytes.fromhex("010000002107d3118644c8c1ca000000")


@pytest.mark.parametrize("mask", [0x63F, 0x60F, 0x107, 0x600, 0x1, 0])
@pytest.mark.parametrize("kind", [b"", AMBISONIC])
def test_channel_masks_stay(tmp_path, mask, kind):
    """Also those that libsndfile does not write itself."""
    source, target = two(tmp_path)
    sound = noise(50, 8) * 0.9
    soundfile.write(source, sound, 48000, "PCM_24", format="WAVEX")
    data = bytearray(source.read_bytes())
    start = data.index(b"fmt ") + 8
    data[start + 20 : start + 24] = mask.to_bytes(4, "little")
    data[start + 24 : start + 40] = kind or data[start + 24 : start + 40]
    source.write_bytes(data)
    copy(source, target)
    found = target.read_bytes()
    start = found.index(b"fmt ") + 8
    assert found[start : start + 40] == source.read_bytes()[start : start + 40]


def test_the_layout_of_a_caf_stays(tmp_path):
    source, target = two(tmp_path)
    soundfile.write(source, noise(50, 6) * 0.9, 48000, "PCM_24", format="CAF")
    layout = (121 << 16 | 6).to_bytes(4, "big") + bytes(8)
    with open(source, "ab") as file:
        file.write(b"chan" + len(layout).to_bytes(8, "big") + layout)
    copy(source, target)
    assert target.read_bytes().endswith(b"chan" + bytes(7) + b"\x0c" + layout)
    assert soundfile.info(target).frames == 50
