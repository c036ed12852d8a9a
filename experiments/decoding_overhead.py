"""What decoding in another process costs: a long file, short ones, a corpus.

    python experiments/decoding_overhead.py
    python experiments/decoding_overhead.py --seconds=600 --files=1000 --repeats=9

Each is read in this process and inside `guarded()`, in alternation; the printed
times are medians, in milliseconds. The first two contain the decoding process's start
only where that is said. The corpus is prepared from the short files, by as many threads
as it always is, and does contain the start of theirs.
"""

import argparse
import pathlib
import statistics
import tempfile
import time
from unittest import mock

import numpy as np

from cak_jax.audio import sound_file
from cak_jax.audio.isolated_decoding import pool
from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.data.corpus import load_corpus
from cak_jax.data.settings import CorpusSettings
from cak_jax.model.spectrogram_settings import SpectrogramSettings

RATE = 44100
SHORT_SECONDS = 0.5


def write_sounds(folder, seconds, files):
    """Write one long stereo file and a folder of short ones, 16 bits, of noise."""
    draw = np.random.default_rng(0).uniform
    long = folder / "long.wav"
    with sound_file.create(long, RATE, 2, "WAV", "PCM_16") as append:
        for start in range(0, round(seconds * RATE), RATE):
            append(draw(-0.5, 0.5, (2, min(RATE, round(seconds * RATE) - start))))
    short = folder / "short"
    short.mkdir()
    for number in range(files):
        samples = draw(-0.5, 0.5, (1, round(SHORT_SECONDS * RATE)))
        sound_file.write(short / f"{number}.wav", samples, RATE, "WAV", "PCM_16")
    return long, sorted(short.iterdir())


def read(paths):
    """Read files as rendering does: header, then blocks; return the sum of samples."""
    total = 0.0
    for path in paths:
        sound_file.info(path)
        total += sum(
            float(block.sum(dtype=np.float64)) for block in sound_file.blocks(path)
        )
    return total


def prepare(folder):
    """Make a corpus of a folder, as if for the first time."""
    with tempfile.TemporaryDirectory() as cache:
        settings = CorpusSettings(
            str(folder), seconds=SHORT_SECONDS, fade_seconds=0.1, cache=cache
        )
        load_corpus(settings, SpectrogramSettings(), 10.0)


def timed(function, *arguments):
    """Return the milliseconds that a call takes."""
    started = time.perf_counter()
    function(*arguments)
    return 1e3 * (time.perf_counter() - started)


def started_and_read(path):
    """Read one file, the decoding process's start and end included."""
    with guarded():
        read([path])


def compare(name, repeats, here, there):
    """Print the medians of two ways of doing the same, in alternation."""
    pairs = [(here(), there()) for _ in range(repeats)]
    first, second = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{name:44s} {first:9.1f} {second:9.1f} {second / first:7.2f}")


def run(seconds, files, repeats):
    """Measure and print."""
    print(f"{'ms':44s} {'in process':>9s} {'guarded':>8s} {'ratio':>7s}")
    with tempfile.TemporaryDirectory() as folder:
        long, short = write_sounds(pathlib.Path(folder), seconds, files)
        unguarded = mock.patch.object(pool, "POSSIBLE", False)
        some = f"{files} files of {SHORT_SECONDS} s"
        for name, paths in ((f"{seconds:g} s of stereo", [long]), (some, short)):
            with guarded():
                wanted = read(paths)

                def inside(paths=paths):
                    return timed(read, paths)

                def outside(paths=paths):
                    with mock.patch.object(pool, "_pools", []):
                        return timed(read, paths)

                compare(name, repeats, outside, inside)
            assert read(paths) == wanted

        def corpus_here():
            with unguarded:
                return timed(prepare, long.parent / "short")

        compare(
            "one short file, with start and end",
            repeats,
            lambda: timed(read, short[:1]),
            lambda: timed(started_and_read, short[0]),
        )
        prepare(long.parent / "short")  # compiles
        compare(
            f"corpus of {files} files",
            repeats,
            corpus_here,
            lambda: timed(prepare, long.parent / "short"),
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    run(options.seconds, options.files, options.repeats)


if __name__ == "__main__":
    main()
