"""Damaged files beside a second decoder: no sound is lost without a word.

On demand, where ffmpeg is installed: `CAK_FUZZ_FILES=10000 pytest -m slow
tests/faults/test_lengths.py -s`; `CAK_FUZZ_SEED=N` begins elsewhere.
"""

import collections
import os
import shutil
import struct
import subprocess

import av
import numpy as np
import pytest
import soundfile
from mutations import mutate

from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.audio.isolated_decoding.client import Limits
from cak_jax.audio.isolated_decoding.pool import guarded

OWN_DECODERS = True
SEED = int(os.environ.get("CAK_FUZZ_SEED", "0"))
MANY = int(os.environ.get("CAK_FUZZ_FILES", "10000"))
RATE = 44100
# By suffix: the container, the sample type, further options of soundfile.
KINDS = {
    "wav": ("WAV", "PCM_16", {}),
    "w24.wav": ("WAV", "PCM_24", {}),
    "aiff": ("AIFF", "PCM_16", {}),
    "caf": ("CAF", "PCM_16", {}),
    "flac": ("FLAC", "PCM_16", {}),
    "ogg": ("OGG", "VORBIS", {}),
    "opus": ("OGG", "OPUS", {}),
    "mp3": ("MP3", None, {"bitrate_mode": "CONSTANT"}),
    "vbr.mp3": ("MP3", None, {"bitrate_mode": "VARIABLE", "compression_level": 0.5}),
}
# Samples of a few frames of lossy formats: decoders differ in the delay and in what
# they make of a damaged frame. ffmpeg pads the last packet of PCM.
SLACK = 4 * 1152


def originals(folder) -> list[bytes]:
    """Return a second of sound in each format."""
    time = np.arange(RATE)[:, None] / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2))
    sound = (0.3 * np.sin(2000 * time) + noise) * np.linspace(1, 0.05, RATE)[:, None]
    found = []
    for kind, (container, subtype, options) in KINDS.items():
        path, rate = folder / "original", 48000 if kind == "opus" else RATE
        soundfile.write(path, sound, rate, subtype, format=container, **options)
        found.append(path.read_bytes())
    # The last one again, without the frame that tells its length.
    found.append(found[-1][found[-1].index(b"\xff", 400) :])
    path = folder / "original.m4a"
    with av.open(os.fspath(path), "w") as file:
        stream = file.add_stream("aac", RATE)
        stream.codec_context.layout = "stereo"
        for start in range(0, RATE, 1024):
            part = np.ascontiguousarray(sound[start : start + 1024].T, np.float32)
            frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            frame.sample_rate, frame.pts = RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return [*found, path.read_bytes()]


def ours(path) -> tuple[int, list[str]]:
    """Return frames and notes; -1 for a file that is refused."""
    notes = list[str]()
    try:
        count = sum(map(len, sound_file.blocks(path, note=notes.append)))
    except AudioError as error:
        return -1, [error.reason]
    return count, notes


def theirs(path) -> int:
    """Return the frames that ffmpeg decodes."""
    command = ["ffmpeg", "-v", "quiet", "-i", path, "-map", "0:a:0", "-f", "wav"]
    command += ["-c:a", "pcm_s16le", "-t", "60", "-threads", "1", "-"]
    try:
        data = subprocess.run(command, capture_output=True, timeout=60).stdout
    except subprocess.TimeoutExpired:
        return 0
    start = data.find(b"data")
    if start < 0:
        return 0
    channels = struct.unpack_from("<H", data, 22)[0]
    return (len(data) - start - 8) // (2 * channels)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
def test_no_sound_is_lost_without_a_word(tmp_path):
    whole, path = originals(tmp_path), tmp_path / "x"
    found, lost = collections.Counter(), []
    with guarded(Limits(memory=1 << 30, silence=60, busy=20)):
        for data in whole:
            path.write_bytes(data)
            count, notes = ours(path)
            assert notes == [] and abs(count - theirs(path)) <= SLACK
        for seed in range(SEED, SEED + MANY):
            done, data = mutate(whole, seed)
            path.write_bytes(data)
            count, notes = ours(path)
            if count < 0 or notes:
                found["refused" if count < 0 else "noted"] += 1
                continue
            other = theirs(path)
            if count < other - SLACK:
                lost.append((seed, done, count, other))
                print(*lost[-1], flush=True)
            found["less than ffmpeg" if count < other - SLACK else "as ffmpeg"] += 1
    print(f"\n{MANY} files from seed {SEED}: {dict(found)}")
    assert lost == []
