"""Sound files chunk by chunk, and a strict reader of them; no tests here."""

import struct

import soundfile
from support.sounds import noise

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
