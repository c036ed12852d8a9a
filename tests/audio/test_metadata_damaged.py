"""Lists of chunks that lie, break off, or are very long."""

import os
import struct

import numpy as np
import pytest
import soundfile
from support.riff import CHUNKS, chunk, plain, walk, with_chunks

from cak_jax.audio import metadata, riff_chunks, sound_file
from cak_jax.audio.formats import to_float


def damaged(order):
    """Give what may follow a good chunk, and how much of it is kept."""
    tail = chunk(b"tail", b"1234", order)
    short = chunk(b"evil", b"abcdefgh", order, 3)
    return {
        "size too large": (chunk(b"evil", b"x", order, 1000) + tail, []),
        "size of 4 GB": (chunk(b"evil", b"x", order, 0xFFFFFFFF) + tail, []),
        "no name": (chunk(b"\0\1\2\3", b"xy", order) + tail, []),
        "cut in a header": (tail[:7], []),
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
    large = riff_chunks.LIMIT // 2
    parts = [(b"one ", bytes(large)), (b"two ", bytes(large)), (b"last", b"small")]
    source.write_bytes(with_chunks(source, (), parts))
    kept = metadata.read(source)
    assert [name for name, _ in kept.parts] == [b"one ", b"last"]
    assert kept.notes == (f"chunk 'two ' of {large} bytes is too large to keep",)
    source = plain(tmp_path)
    source.write_bytes(with_chunks(source, (), [(b"none", b"")] * 10_000))
    kept = metadata.read(source)
    assert len(kept.parts) == riff_chunks.MOST - 2
    assert kept.notes == (f"of the chunks only the first {riff_chunks.MOST} were read",)


def test_rf64_above_4_gb(tmp_path):
    """A file with a hole: five gigabytes of silence that take no room."""
    path = plain(tmp_path, "RF64", "PCM_16", 8)
    head = path.read_bytes()[:-16]
    size, part = 5 << 30, (b"what", b"odd")
    sizes = struct.pack("<QQQ", len(head) + size - 8, size, size // 2)
    with open(path, "wb") as file:
        file.write(head[:20] + sizes + head[44:])
        file.truncate(len(head) + size)
    assert metadata.read(path).parts == ()
    metadata.Metadata("RIFF", (part,)).attach(path)
    assert path.stat().st_size == len(head) + size + 12
    with open(path, "rb") as file:
        start = file.read(len(head))
    assert struct.unpack("<Q", start[20:28])[0] == len(head) + size + 4
    assert start[:20] + start[28:] == head[:20] + sizes[8:] + head[44:]
    assert metadata.read(path).parts == (part,)
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
    source, target = tmp_path / "source", tmp_path / "target"
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
        dry = to_float(sound_file.read(bare)[0])
        layout = (8000, kind, "PCM_24", True)
        sound_file.write(target, dry, *layout, finish=kept.attach)
        np.testing.assert_array_equal(to_float(sound_file.read(target)[0]), dry)
        walk(target.read_bytes())
        read += len(kept.parts)
    assert read > 100
