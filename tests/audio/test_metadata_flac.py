"""Metadata blocks of FLAC: carried, bounded, and the sound behind them untouched."""

import struct

import numpy as np
import pytest
import soundfile
from support.sounds import noise

from cak_jax.audio import flac_blocks, metadata, riff_chunks, sound_file
from cak_jax.audio.formats import to_float

PADDING, APPLICATION, SEEK_TABLE, COMMENTS, CUE_SHEET, PICTURE = 1, 2, 3, 4, 5, 6


def comments(*texts, encoder=b"some encoder"):
    parts = [encoder, *(text.encode() for text in texts)]
    parts = [struct.pack("<I", len(part)) + part for part in parts]
    return parts[0] + struct.pack("<I", len(texts)) + b"".join(parts[1:])


PICTURE_BODY = struct.pack(">2I", 3, 9) + b"image/png" + struct.pack(">6I", *[0] * 5, 4)
BLOCKS = [
    (APPLICATION, b"rifffour"),
    (COMMENTS, comments("TITLE=Gr\u00fcn \U0001f3a7", "ARTIST=x", "REPLAYGAIN=-1 dB")),
    (PICTURE, PICTURE_BODY + b"\x89PNG"),
    (APPLICATION, b"otherodd"[:7]),
]


def walk(data: bytes):
    """List a file's blocks and give what stands behind: the tests' own reader."""
    assert data[:4] == b"fLaC"
    found, position, last = [], 4, False
    while not last:
        last, kind = data[position] >> 7, data[position] & 127
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        found.append((kind, data[position + 4 : position + 4 + size]))
        position += 4 + size
    return found, data[position:]


def join(blocks, frames):
    data = b"fLaC"
    for number, (kind, body) in enumerate(blocks):
        last = number == len(blocks) - 1
        data += bytes([kind | last << 7]) + len(body).to_bytes(3, "big") + body
    return data + frames


def plain(folder, frames=3000):
    path = folder / "plain.flac"
    soundfile.write(path, noise(frames, 1), 8000, subtype="PCM_24")
    return path


def with_blocks(path, *blocks, ahead=b""):
    own, frames = walk(path.read_bytes())
    path.write_bytes(ahead + join([own[0], *blocks], frames))
    return path


def copy(source, target):
    samples, found = sound_file.read(source)
    kept = metadata.carry(source, "FLAC", sound_file.tags(source))
    layout = (found.sample_rate, "FLAC", found.subtype)
    sound_file.write(target, to_float(samples), *layout, finish=kept.attach)
    return kept


# Less and more than what is copied at once.
@pytest.mark.parametrize("frames", [1, 3000, 1_000_000])
def test_blocks_are_carried(tmp_path, frames):
    source, target = plain(tmp_path, frames), tmp_path / "target.flac"
    bare = source.read_bytes()
    [stream, (_, own_comments)], sound = walk(bare)
    drop = [(PADDING, bytes(50)), (SEEK_TABLE, b""), (100, b"unknown")]
    with_blocks(source, drop[0], *BLOCKS[:2], drop[1], *BLOCKS[2:], drop[2])
    assert copy(source, target).notes == ()
    found, behind = walk(target.read_bytes())
    wanted = list(BLOCKS)
    # The encoder that wrote the file is another one now.
    encoder = own_comments[:-4]
    rest = comments("TITLE=Gr\u00fcn \U0001f3a7", "ARTIST=x", "REPLAYGAIN=-1 dB")
    wanted[1] = (COMMENTS, encoder + rest[4 + len(b"some encoder") :])
    assert found == [stream, *wanted]
    assert behind == sound
    assert sound_file.tags(target) == {"title": "Gr\u00fcn \U0001f3a7", "artist": "x"}
    again, first = (sound_file.read(path)[0] for path in (target, source))
    np.testing.assert_array_equal(again, first)


def test_comments_that_hold_none_are_not_carried(tmp_path):
    source = with_blocks(plain(tmp_path), (COMMENTS, comments()))
    assert metadata.read(source) == metadata.Metadata("FLAC")


def test_without_comments_the_encoder_s_own_stay(tmp_path):
    source, target = plain(tmp_path), tmp_path / "target.flac"
    own, sound = walk(source.read_bytes())
    with_blocks(source, BLOCKS[0])
    copy(source, target)
    assert walk(target.read_bytes()) == ([*own, BLOCKS[0]], sound)


def test_an_id3_tag_in_front(tmp_path):
    source = plain(tmp_path)
    with_blocks(source, BLOCKS[0], ahead=b"ID3\4\0\0\0\0\1\2" + bytes(130))
    assert metadata.read(source) == metadata.Metadata("FLAC", (BLOCKS[0],))


def lying_comments():
    body = comments("A=b")
    rest = body[:16]
    return {
        "empty": b"",
        "encoder too long": struct.pack("<I", 1000) + body[4:],
        "count too large": rest + struct.pack("<I", 2) + body[20:],
        "count of 4e9": rest + struct.pack("<I", 2**32 - 1) + body[20:],
        "count too small": rest + struct.pack("<I", 0) + body[20:],
        "comment too long": body[:20] + struct.pack("<I", 4) + body[24:],
    }


@pytest.mark.parametrize("fault", lying_comments())
def test_comments_that_lie_are_left_out(tmp_path, fault):
    source = plain(tmp_path)
    with_blocks(source, BLOCKS[0], (COMMENTS, lying_comments()[fault]), BLOCKS[2])
    kept = metadata.read(source)
    assert kept.parts == (BLOCKS[0], BLOCKS[2])
    assert kept.notes == ("a block of comments is damaged",)


def test_only_the_first_comments_count(tmp_path):
    source = plain(tmp_path)
    first, second = (COMMENTS, comments("A=b")), (COMMENTS, comments("C=d"))
    kept = metadata.read(with_blocks(source, first, second))
    assert kept.parts == ((COMMENTS, first[1][16:]),)
    assert kept.notes == ("a block of comments is damaged",)


def test_a_list_that_does_not_end(tmp_path):
    source = plain(tmp_path)
    data = with_blocks(source, BLOCKS[0]).read_bytes()
    start = 4 + 4 + 34
    source.write_bytes(data[:start] + bytes([PICTURE]) + b"\xff\xff\xff" + data[start:])
    kept = metadata.read(source)
    assert kept.parts == ()
    assert kept.notes == ("the list of metadata blocks is damaged",)


def test_what_is_kept_is_bounded(tmp_path):
    source, target = plain(tmp_path), tmp_path / "target.flac"
    large = riff_chunks.LIMIT // 2 + 1
    two = [(APPLICATION, b"big " + bytes(large - 4))] * 2
    with_blocks(source, *two, BLOCKS[0])
    kept = copy(source, target)
    assert kept.parts == (two[0], BLOCKS[0])
    assert kept.notes == (f"a metadata block of {large} bytes is too large to keep",)
    np.testing.assert_array_equal(
        sound_file.read(target)[0], sound_file.read(source)[0]
    )


def test_comments_too_large_for_another_encoder_s_name(tmp_path):
    text = comments("A=" + "b" * ((1 << 24) - 100))
    assert flac_blocks.split_comments(text) == (text[:16], None)
