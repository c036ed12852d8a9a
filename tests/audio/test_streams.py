"""Files as they come from the field: all the sound that is there, or a note."""

import contextlib
import os
import random
import struct

import numpy as np
import pytest
import soundfile
from support.sounds import noise, put
from support.without_pyav import without_pyav

from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.audio.streams import kinds, mpeg
from cak_jax.audio.streams.source import Source, opened

RATE = 44100
FRAME = 1152
DELAY = 576 + 529  # of LAME's encoder and of any decoder
JUNK = random.Random(0).randbytes(3000)
ID3 = b"ID3\x04\0\0\0\0\x02\0" + bytes(256)


def fading(frames: int = 4 * RATE, channels: int = 1) -> np.ndarray:
    """Return a sound that a variable rate spends most of its bits on at first."""
    swell = np.linspace(0.7, 0, frames)[:, None] ** 4
    return noise(frames, channels) * swell


def mp3(folder, **kind) -> bytes:
    path = folder / "made.mp3"
    kind = {"bitrate_mode": "VARIABLE", "compression_level": 0.5} | kind
    soundfile.write(path, fading(), RATE, format="MP3", **kind)
    return path.read_bytes()


def without_count(data: bytes) -> bytes:
    """Return an MP3 without its first frame, which tells how many there are."""
    found = mpeg.header(data[:4])
    assert data[found.tag : found.tag + 4] in (b"Xing", b"Info")
    return data[found.length :]


def read(folder, data: bytes, name: str = "x"):
    """Return the sound `[channels, n]` and the notes on a file of these bytes."""
    path = folder / name
    path.write_bytes(data)
    notes = dict[str, None]()
    parts = [*sound_file.blocks(path, note=notes.setdefault)]
    found = sound_file.info(path)
    sound = np.concatenate(parts).T
    assert found.frames in (None, sound.shape[1]) or notes
    return sound, "; ".join(notes)


def test_variable_rate_without_a_count_is_read_to_its_end(tmp_path):
    whole = mp3(tmp_path)
    wanted, said = read(tmp_path, whole)
    assert wanted.shape[1] == 4 * RATE and said == ""
    bare = without_count(whole)
    found, said = read(tmp_path, bare)
    assert said == "" and found.shape[1] % FRAME == 0
    assert 0 < found.shape[1] - wanted.shape[1] < 3 * FRAME
    # The same sound, behind the delay of encoder and decoder that nothing tells now.
    np.testing.assert_array_equal(found[0, DELAY:][: wanted.shape[1]], wanted[0])
    # Plain soundfile believes its estimate.
    assert soundfile.read(tmp_path / "x")[0].shape[0] < found.shape[1] // 2
    with guarded():
        np.testing.assert_array_equal(read(tmp_path, bare)[0], found)


def test_the_counted_length_is_in_the_header(tmp_path):
    (tmp_path / "x").write_bytes(ID3 + without_count(mp3(tmp_path)))
    found = sound_file.info(tmp_path / "x")
    assert found.frames == sum(map(len, sound_file.blocks(tmp_path / "x")))


@pytest.mark.parametrize("before", [bytes(417), ID3 + b"\0", ID3 + ID3, b"", JUNK])
@pytest.mark.parametrize("behind", [b"", bytes(5000), b"TAG" + bytes(125), JUNK])
def test_bytes_around_an_mp3(tmp_path, before, behind):
    whole = mp3(tmp_path)
    wanted, _ = read(tmp_path, whole)
    found, said = read(tmp_path, before + whole + behind)
    np.testing.assert_array_equal(found, wanted)
    told = "has 3000 bytes {} frame that are no sound"
    places = ((behind, "behind its last"), (before, "before its first"))
    notes = [told.format(place) for data, place in places if data == JUNK]
    assert said == "; ".join(notes)


def test_bytes_between_the_frames_of_an_mp3(tmp_path):
    whole = mp3(tmp_path)
    start = 0
    for _ in range(60):
        start += mpeg.header(whole[start : start + 4]).length
    wanted, _ = read(tmp_path, whole)
    found, said = read(tmp_path, whole[:start] + JUNK + whole[start:])
    np.testing.assert_array_equal(found, wanted)
    assert said == "has 3000 bytes between its frames that are no sound"


def test_an_mp3_that_is_cut_says_so(tmp_path):
    whole = mp3(tmp_path)
    wanted, _ = read(tmp_path, whole)
    found, said = read(tmp_path, whole[: len(whole) * 2 // 3])
    assert said.startswith("is cut short: ") and said.endswith(
        "bytes of it are missing"
    )
    assert RATE < found.shape[1] < wanted.shape[1]
    np.testing.assert_array_equal(
        found[:, :-FRAME], wanted[:, : found.shape[1] - FRAME]
    )
    _, said = read(tmp_path, without_count(whole)[:-100])
    assert said == "is cut short: its last frame is incomplete"


KINDS = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "AIFF": "PCM_24"}
KINDS |= dict.fromkeys(("AU", "CAF", "W64", "RF64"), "PCM_16")


@pytest.mark.parametrize("kind", [*KINDS, "MP3", "OPUS"])
def test_joined_files_are_read_in_a_row(tmp_path, kind):
    parts = []
    for seed, frames in enumerate((9000, 12_345)):
        path = tmp_path / str(seed)
        form = {"format": "OGG" if kind == "OPUS" else kind}
        form["subtype"] = KINDS.get(kind) or {"MP3": None, "OPUS": "OPUS"}[kind]
        soundfile.write(path, 0.1 * noise(frames, 2, seed), 48000, **form)
        parts.append(path)
    wanted = np.concatenate([sound_file.read(path)[0] for path in parts], axis=1)
    (tmp_path / "x").write_bytes(b"".join(path.read_bytes() for path in parts))
    with guarded():
        found, header = sound_file.read(tmp_path / "x")
    np.testing.assert_array_equal(found, wanted)
    assert header.frames == wanted.shape[1]
    assert header.notes == ("is 2 sounds joined to one file, all read",)


def test_what_is_joined_but_different_is_told(tmp_path):
    first = put(tmp_path, "a", noise(900), 48000, format="OGG", subtype="VORBIS")
    second = put(tmp_path, "b", noise(900), 44100, format="OGG", subtype="VORBIS")
    found, said = read(tmp_path, first.read_bytes() + second.read_bytes())
    np.testing.assert_array_equal(found, sound_file.read(first)[0])
    assert said.startswith("is 2 sounds joined to one file: number 2 is not read")
    assert "OGG VORBIS, 2 channels, 44100 Hz" in said


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), bytes(5000), JUNK])
@pytest.mark.parametrize("head", [b"", ID3, ID3 + b"\0", bytes(9)])
def test_bytes_around_a_flac(tmp_path, head, tail):
    path = put(tmp_path, "a", noise(9000), RATE, format="FLAC", subtype="PCM_16")
    found, said = read(tmp_path, head + path.read_bytes() + tail)
    np.testing.assert_array_equal(found, sound_file.read(path)[0] / np.float32(2**31))
    assert said == ""


def test_a_flac_may_hold_more_than_it_declares(tmp_path):
    path = put(tmp_path, "a", noise(9000), RATE, format="FLAC", subtype="PCM_16")
    wanted, data = sound_file.read(path)[0], bytearray(path.read_bytes())
    data[22:26] = (5000).to_bytes(4, "big")
    (tmp_path / "x").write_bytes(data)
    found, header = sound_file.read(tmp_path / "x")
    np.testing.assert_array_equal(found, wanted)
    assert header.frames == 9000
    assert header.notes == ("declares 5000 samples and holds 9000",)


def test_a_damaged_flac_is_read_on_behind_the_damage(tmp_path):
    path = put(tmp_path, "a", noise(40_000), RATE, format="FLAC", subtype="PCM_16")
    wanted, data = sound_file.read(path)[0], path.read_bytes()
    start = len(data) // 2
    found, said = read(tmp_path, data[:start] + bytes(3000) + data[start + 3000 :])
    assert said.startswith("is damaged (") and "and holds" in said
    found = (found * np.float32(2**31)).astype(np.int32)
    same = (found[:, :12_000] == wanted[:, :12_000]).all()
    assert same and (found[:, -11_000:] == wanted[:, -11_000:]).all()
    with without_pyav(), pytest.raises(AudioError, match=r"is damaged \("):
        sound_file.read(tmp_path / "x")


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "CAF", "W64"])
def test_bytes_behind_the_declared_end_are_told(tmp_path, kind):
    path = put(tmp_path, "a", noise(900), RATE, format=kind, subtype="PCM_16")
    wanted, data = sound_file.read(path)[0], path.read_bytes()
    for tail in (JUNK, bytes(3000), b"TAG" + bytes(125)):
        path.write_bytes(data + tail)
        found, header = sound_file.read(path)
        np.testing.assert_array_equal(found, wanted)
        told = "has 3000 bytes behind its end that are not read"
        assert header.notes == ((told,) if tail == JUNK else ())


def zero(data: bytes, *places: int) -> bytes:
    for place in places:
        data = data[:place] + bytes(4) + data[place + 4 :]
    return data


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "CAF", "W64"])
def test_a_recorder_that_was_switched_off(tmp_path, kind):
    path = put(tmp_path, "a", noise(9000), RATE, format=kind, subtype="PCM_16")
    wanted, data = sound_file.read(path)[0], path.read_bytes()
    name = {"AIFF": b"SSND", "AU": b""}.get(kind, b"data")
    place = data.index(name) + len(name)
    places = {
        "WAV": (4, place),
        "RF64": (20, 28),
        "AIFF": (4, data.find(b"COMM") + 10, place),
        "AU": (8,),
        "CAF": (place + 4,),
        "W64": (16, place + 12),
    }[kind]
    path.write_bytes(zero(data, *places))
    found, header = sound_file.read(path)
    np.testing.assert_array_equal(found, wanted)
    [note] = header.notes
    assert "declares no length" in note


def test_an_aiff_without_sizes_goes_by_its_frames(tmp_path):
    path = put(tmp_path, "a", noise(9000), RATE, format="AIFF", subtype="PCM_16")
    wanted, data = sound_file.read(path)[0], path.read_bytes()
    path.write_bytes(zero(data, 4, data.index(b"SSND") + 4))
    found, header = sound_file.read(path)
    np.testing.assert_array_equal(found, wanted)
    assert header.notes == ()


def test_an_empty_file_stays_empty(tmp_path):
    path = put(tmp_path, "a", noise(0), RATE, subtype="PCM_16")
    data = path.read_bytes()
    chunk = b"LIST" + struct.pack("<I", 4) + b"INFO"
    for more in (b"", chunk):
        path.write_bytes(data + more)
        found, header = sound_file.read(path)
        assert found.shape == (2, 0) and header.notes == ()


def test_a_caf_of_unknown_length_is_nothing_odd(tmp_path):
    path = put(tmp_path, "a", noise(9000), RATE, format="CAF", subtype="PCM_16")
    wanted, data = sound_file.read(path)[0], path.read_bytes()
    place = data.index(b"data") + 4
    path.write_bytes(data[:place] + b"\xff" * 8 + data[place + 8 :])
    found, header = sound_file.read(path)
    np.testing.assert_array_equal(found, wanted)
    assert header.notes == ()


def test_bw64_is_rf64_by_another_name(tmp_path):
    path = put(tmp_path, "a", noise(900), RATE, format="RF64", subtype="PCM_24")
    wanted = sound_file.read(path)[0]
    path.write_bytes(b"BW64" + path.read_bytes()[4:])
    found, header = sound_file.read(path)
    np.testing.assert_array_equal(found, wanted)
    assert (header.format, header.notes) == ("RF64", ())


def test_the_channels_of_ogg_come_in_the_order_of_wav(tmp_path):
    # Vorbis has the centre second, and the low frequencies last.
    time = np.arange(48000) / 48000
    tones = [0.1 * np.sin(2 * np.pi * f * time) for f in (200, 300, 400, 500, 600, 60)]
    put(tmp_path, "a", np.array(tones).T, 48000, format="OGG", subtype="VORBIS")
    for where in (guarded, contextlib.nullcontext):
        with where():
            found, _ = sound_file.read(tmp_path / "a")
        peaks = [int(np.abs(np.fft.rfft(row)).argmax()) for row in found]
        assert peaks == [200, 400, 300, 60, 500, 600]


def test_no_tags_and_no_text_are_taken_for_sound(tmp_path):
    path = tmp_path / "x.mp3"
    for data in (bytes(70_000), ID3 + b"text" * 99, b"\xff\xfe" + b"t\0" * 99, JUNK):
        path.write_bytes(data)
        with pytest.raises(AudioError, match="is not an audio file"):
            sound_file.info(path)


def test_pieces_are_read_like_one_file(tmp_path):
    data = random.Random(1).randbytes(400_000)
    (tmp_path / "x").write_bytes(data)
    with open(tmp_path / "x", "rb") as file:
        source = Source(file.fileno())
        pieces = (b"head", (10, 300_000), b"", (5, 5), 70_000, (300_000, 400_000))
        wanted = b"head" + data[10:300_000] + bytes(70_000) + data[300_000:]
        made = opened(source, pieces)
        assert made.read() == wanted and made.tell() == len(wanted)
        for place in (0, 3, 299_994, 369_000, 460_000, len(wanted), 5):
            made.seek(place)
            assert made.read(1000) == wanted[place : place + 1000]
        made.seek(-7, os.SEEK_END)
        assert made.read() == wanted[-7:]
        assert kinds.identify(source).name == ""
