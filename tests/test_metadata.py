"""Metadata: carried as it is, whatever stands around it; read back by others."""

import os
import struct
import warnings

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile
from sounds import noise

from cak_jax import audio, chunks, metadata

CHUNKS = {
    "WAV": [
        (b"bext", bytes(range(256)) * 3),
        (b"LIST", b"INFO" + b"INAM" + struct.pack("<I", 6) + b"title\0"),
        (b"cue ", struct.pack("<7I", 1, 7, 3, 0x61746164, 0, 0, 3)),
        (b"smpl", struct.pack("<9I", *range(9)) + struct.pack("<6I", 7, 0, 2, 9, 0, 0)),
        (b"iXML", b"<odd/>!"),
        (b"LIST", b"adtl" + b"labl" + struct.pack("<I", 6) + b"\7\0\0\0a\0"),
        (b"what", b""),
        (b"id3 ", b"ID3\3\0\0\0\0\0\0"),
        (b"_PMX", b"x"),
    ],
    "AIFF": [
        (b"NAME", b"odd"),
        (b"AUTH", b"someone!"),
        (b"MARK", struct.pack(">HHIB", 1, 1, 5, 3) + b"abc"),
        (b"INST", bytes(20)),
        (b"(c) ", b"nobody"),
        (b"basc", bytes(84)),
        (b"APPL", b"pdosx"),
    ],
}
CHUNKS["WAVEX"] = CHUNKS["RF64"] = CHUNKS["WAV"]
OWN = (b"fmt ", b"data", b"fact", b"ds64", b"PEAK", b"COMM", b"SSND", b"FVER")
NOT_KEPT = [(b"JUNK", bytes(28)), (b"FLLR", bytes(4))]


def order_of(data):
    return ">" if data[:4] == b"FORM" else "<"


def walk(data: bytes):
    """List the chunks of a valid file: the tests' own reader, strict about sizes."""
    order, position, found = order_of(data), 12, []
    size = struct.unpack(f"{order}I", data[4:8])[0]
    if data[:4] == b"RF64":
        assert size == 0xFFFFFFFF
        size = struct.unpack("<Q", data[20:28])[0]
    assert size == len(data) - 8
    while position < len(data):
        name, size = struct.unpack(f"{order}4sI", data[position : position + 8])
        if size == 0xFFFFFFFF:
            size = struct.unpack("<Q", data[28:36])[0]
        body = data[position + 8 : position + 8 + size]
        assert len(body) == size
        found.append((name, body))
        position += 8 + size + size % 2
    assert position == len(data)
    return found


def chunk(name, body, order="<", size=None):
    size = len(body) if size is None else size
    return name + struct.pack(f"{order}I", size) + body + bytes(len(body) % 2)


def plain(folder, kind="WAV", subtype="PCM_24", frames=1001):
    path = folder / f"plain.{kind}"
    soundfile.write(path, noise(frames, 1), 8000, format=kind, subtype=subtype)
    return path


def with_chunks(path, before=(), after=()):
    """Return a file's bytes with chunks before its own ones and after them."""
    data = path.read_bytes()
    order = order_of(data)
    # In RF64 only the sizes may stand first.
    head = 48 if data[:4] == b"RF64" else 12
    parts = [b"".join(chunk(*part, order) for part in some) for some in (before, after)]
    data = data[:head] + parts[0] + data[head:] + parts[1]
    if data[:4] == b"RF64":
        return data[:20] + struct.pack("<Q", len(data) - 8) + data[28:]
    return data[:4] + struct.pack(f"{order}I", len(data) - 8) + data[8:]


def copy(source, target):
    """Write a file anew, as it is, with what it holds beside the samples."""
    samples, found = audio.read(source)
    format, subtype, _ = audio.output_format(found)
    kept = metadata.carry(source, format, audio.tags(source))
    layout = (found.sample_rate, format, subtype)
    audio.write(target, audio.to_float(samples), *layout, finish=kept.attach)
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
    assert copy(source, target) == metadata.Metadata(metadata.FAMILIES[kind])
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
    found = audio.tags(target)
    if kind == "MP3":  # whose letters libsndfile does not always write as it reads them
        tags = {name: audio.tags(source)[name] for name in tags}
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
    assert audio.tags(target)["title"] == "bell"


def damaged(order):
    """Give what may follow a good chunk, and how much of it is kept."""
    tail = chunk(b"tail", b"1234", order)
    short = chunk(b"evil", b"abcdefgh", order, 3)
    return {
        "size too large": (chunk(b"evil", b"x", order, 1000) + tail, []),
        "size of 4 GB": (chunk(b"evil", b"x", order, 0xFFFFFFFF) + tail, []),
        "no name": (chunk(b"\0\1\2\3", b"xy", order) + tail, []),
        "cut in a header": (b"tail\1", []),
        "cut in a body": (tail[:-2], []),
        "too small": (short + tail, [(b"evil", b"abc")]),
    }


@pytest.mark.parametrize("kind", ["WAV", "AIFF"])
@pytest.mark.parametrize("fault", damaged("<"))
def test_a_damaged_list_keeps_what_came_before(tmp_path, kind, fault):
    source = plain(tmp_path, kind)
    end, good = source.stat().st_size, (b"what", b"good")
    order = ">" if kind == "AIFF" else "<"
    bad, more = damaged(order)[fault]
    data = with_chunks(source, (), [good]) + bad
    size = struct.pack(f"{order}I", len(data) - 8)
    source.write_bytes(data[:4] + size + data[8:])
    kept = metadata.read(source)
    assert kept.parts == (good, *more)
    if fault == "cut in a header":
        assert kept.notes == ()
        return
    place = end + 12 + (12 if more else 0)
    assert kept.notes == (f"the list of chunks is damaged at byte {place}",)


def test_the_size_of_the_whole_file_is_not_believed(tmp_path):
    source = plain(tmp_path)
    data = with_chunks(source, (), [(b"what", b"good")])
    for size in (0, 4, len(data) * 2, 0xFFFFFFFF):
        source.write_bytes(data[:4] + struct.pack("<I", size) + data[8:])
        assert metadata.read(source).parts == ((b"what", b"good"),)
    # What stands behind the declared end may be anything.
    source.write_bytes(data + b"TAG" + bytes(125))
    assert metadata.read(source).parts == ((b"what", b"good"),)
    assert metadata.read(source).notes == ()


def test_a_stream_declares_no_length(tmp_path):
    source = plain(tmp_path)
    data = source.read_bytes()
    data = data.replace(b"data" + struct.pack("<I", 3003), b"data\xff\xff\xff\xff")
    source.write_bytes(data[:4] + b"\xff" * 4 + data[8:])
    assert metadata.read(source) == metadata.Metadata("RIFF")


def test_a_forgotten_pad_byte(tmp_path):
    source = plain(tmp_path)
    data = source.read_bytes()
    for size in (5, 33):
        # Without its pad byte the next header, read one byte late, has a fair name.
        odd, last = chunk(b"odd ", b"x" * size)[:-1], chunk(b"LIST", b" " * 32)
        source.write_bytes(data[:12] + odd + last + data[12:])
        wanted = ((b"odd ", b"x" * size), (b"LIST", b" " * 32))
        assert metadata.read(source) == metadata.Metadata("RIFF", wanted)


def test_what_is_kept_is_bounded(tmp_path):
    source = plain(tmp_path)
    large = chunks.LIMIT // 2
    parts = [(b"one ", bytes(large)), (b"two ", bytes(large)), (b"last", b"small")]
    source.write_bytes(with_chunks(source, (), parts))
    kept = metadata.read(source)
    assert [name for name, _ in kept.parts] == [b"one ", b"last"]
    assert kept.notes == (f"chunk 'two ' of {large} bytes is too large to keep",)
    source = plain(tmp_path)
    source.write_bytes(with_chunks(source, (), [(b"none", b"")] * 10_000))
    kept = metadata.read(source)
    assert len(kept.parts) == chunks.MOST - 2
    assert kept.notes == (f"of the chunks only the first {chunks.MOST} were read",)


def test_rf64_above_4_gb(tmp_path):
    """A file with a hole: five gigabytes of silence that take no room."""
    path = plain(tmp_path, "RF64", "PCM_16", 8)
    head = path.read_bytes()[:-16]
    size, part = 5 << 30, (b"what", b"odd")
    sizes = struct.pack("<QQQ", len(head) + size - 8, size, size // 2)
    with open(path, "wb") as file:
        file.write(head[:20] + sizes + head[44:])
        file.truncate(len(head) + size)
    assert metadata.read(path) == metadata.Metadata("RIFF")
    metadata.Metadata("RIFF", (part,)).attach(path)
    assert path.stat().st_size == len(head) + size + 12
    with open(path, "rb") as file:
        start = file.read(len(head))
    assert struct.unpack("<Q", start[20:28])[0] == len(head) + size + 4
    assert start[:20] + start[28:] == head[:20] + sizes[8:] + head[44:]
    assert metadata.read(path) == metadata.Metadata("RIFF", (part,))
    assert soundfile.info(path).frames == size // 2
    os.unlink(path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\4\0\0\0WAVE", b"ID3", b"fLaC"]
)
def test_next_to_nothing(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert metadata.read(path).parts == ()


def test_a_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError):
        metadata.read(tmp_path / "x")


def test_random_chunks_never_make_a_file_unreadable(tmp_path):
    generator = np.random.default_rng(3)
    names = [name for kind in ("WAV", "AIFF") for name, _ in CHUNKS[kind]]
    source, target = two(tmp_path)
    read = 0
    for round in range(120):
        kind = ("WAV", "AIFF", "RF64")[round % 3]
        bare = plain(tmp_path, kind, "PCM_24", 20 + round % 2)
        order = ">" if kind == "AIFF" else "<"
        tail = b""
        for _ in range(3):
            body = generator.bytes(int(generator.choice([0, 1, 4, 20, 602])))
            lie = int(generator.choice([len(body), len(body), 0, 2**32 - 1]))
            tail += chunk(names[generator.integers(len(names))], body, order, lie)
        source.write_bytes(bare.read_bytes() + tail)
        kept = metadata.read(source)
        dry = audio.to_float(audio.read(bare)[0])
        layout = (8000, kind, "PCM_24", True)
        audio.write(target, dry, *layout, finish=kept.attach)
        np.testing.assert_array_equal(audio.to_float(audio.read(target)[0]), dry)
        walk(target.read_bytes())
        read += len(kept.parts)
    assert read > 100
