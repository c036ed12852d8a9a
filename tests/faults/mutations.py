"""Damage to sound files, drawn from a seed; no tests here."""

import os
import struct
from pathlib import Path

import numpy as np
import soundfile

# By suffix: the container and the sample types.
FORMATS = {
    "wav": ("WAV", ("PCM_16", "PCM_24", "FLOAT", "PCM_U8", "IMA_ADPCM", "MS_ADPCM")),
    "flac": ("FLAC", ("PCM_16", "PCM_24")),
    "ogg": ("OGG", ("VORBIS", "OPUS")),
    "mp3": ("MP3", ("MPEG_LAYER_III",)),
    "aiff": ("AIFF", ("PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM")),
}
# What a field of a length or a count may claim.
LIES = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000)
LIES += (0xFFFFFFFE, 0xFFFFFFFF)
NAMES = (b"fmt ", b"data", b"fact", b"LIST", b"RIFF", b"FORM", b"COMM", b"SSND")
NAMES += (b"OggS", b"vorbis", b"OpusHead", b"fLaC", b"ID3", b"Xing", b"Info")
KINDS = ("flip", "cut", "splice", "length", "repeat", "zero", "header", "insert")


def originals(folder: Path) -> list[bytes]:
    """Return whole files of five formats, one or two channels, with tags."""
    found = []
    generator = np.random.default_rng(0)
    for suffix, (container, subtypes) in FORMATS.items():
        for number, subtype in enumerate(subtypes):
            channels, rate = 1 + number % 2, 48000 if subtype == "OPUS" else 44100
            time = np.arange(9000)[:, None] / rate
            noise = generator.normal(0, 0.1, (9000, channels))
            path = folder / f"original.{suffix}"
            with soundfile.SoundFile(
                path, "w", rate, channels, subtype, format=container
            ) as file:
                file.title, file.artist = "a title", "somebody"
                file.write(0.3 * np.sin(2000 * time) + noise)
            found.append(path.read_bytes())
            os.unlink(path)
    return found


def mutate(whole: list[bytes], seed: int) -> tuple[str, bytes]:
    """Return a damaged file, a function of the seed alone, and what was done to it."""
    generator = np.random.default_rng(seed)
    data = bytearray(whole[seed % len(whole)])
    done = []
    for _ in range(int(generator.integers(1, 4))):
        kind = KINDS[int(generator.integers(len(KINDS)))]
        data = DEEDS[kind](data, whole, generator)
        done.append(kind)
    return " ".join(done), bytes(data)


def _place(data, generator):
    """Draw a place, half of the time among the first bytes, where headers are."""
    most = min(len(data), 300) if generator.random() < 0.5 else len(data)
    return int(generator.integers(0, max(1, most)))


def _flip(data, whole, generator):
    for _ in range(int(generator.choice([1, 2, 8, 64]))):
        if data:
            data[_place(data, generator)] ^= 1 << int(generator.integers(8))
    return data


def _cut(data, whole, generator):
    return data[: _place(data, generator)]


def _splice(data, whole, generator):
    """Go on with the middle of another file."""
    other = whole[int(generator.integers(len(whole)))]
    return data[: _place(data, generator)] + other[_place(other, generator) :]


def _length(data, whole, generator):
    """Overwrite what stands behind a name, or anywhere, by a number that lies."""
    name = NAMES[int(generator.integers(len(NAMES)))]
    place = data.find(name)
    place = place + len(name) if place >= 0 else _place(data, generator)
    number = LIES[int(generator.integers(len(LIES)))]
    order = "<>"[int(generator.integers(2))] + "BHI"[int(generator.integers(3))]
    value = struct.pack(order, number & ((1 << 8 * struct.calcsize(order)) - 1))
    data[place : place + len(value)] = value
    return data


def _repeat(data, whole, generator):
    """Repeat a piece, often one that begins like a chunk."""
    start = _place(data, generator)
    if generator.random() < 0.5:
        start = max(0, data.find(NAMES[int(generator.integers(len(NAMES)))]))
    piece = data[start : start + int(generator.choice([4, 16, 40, 500, 4000]))]
    times = int(generator.choice([1, 2, 50]))
    return data[:start] + piece * times + data[start:]


def _zero(data, whole, generator):
    start = _place(data, generator)
    stop = min(len(data), start + int(generator.choice([1, 4, 64, 2000])))
    data[start:stop] = bytes([int(generator.choice([0, 255]))]) * (stop - start)
    return data


def _header(data, whole, generator):
    """Put the beginning of another file before it."""
    other = whole[int(generator.integers(len(whole)))]
    size = int(generator.choice([4, 12, 44, 128]))
    return bytearray(other[:size]) + data[size:]


def _insert(data, whole, generator):
    start = _place(data, generator)
    piece = generator.bytes(int(generator.choice([1, 2, 3, 16, 300])))
    return data[:start] + piece + data[start:]


DEEDS = dict(
    zip(KINDS, (_flip, _cut, _splice, _length, _repeat, _zero, _header, _insert),
        strict=True)
)  # fmt: skip
