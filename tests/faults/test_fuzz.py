"""Damaged files by the hundred: samples or one line of error, and nothing else.

Thousands on demand: `CAK_FUZZ_FILES=5000 pytest -m slow tests/faults/test_fuzz.py -s`;
`CAK_FUZZ_SEED=N` begins elsewhere.
"""

import collections
import os
import resource

import numpy as np
import pytest
from mutations import KINDS, mutate, originals
from support.sounds import put, reasons, sound

from cak_jax.audio import metadata, sound_file, truncation
from cak_jax.audio.formats import AudioError, exact_dtype
from cak_jax.audio.isolated_decoding.client import Limits
from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.data import scan

OWN_DECODERS = True
SEED = int(os.environ.get("CAK_FUZZ_SEED", "0"))
MANY = int(os.environ.get("CAK_FUZZ_FILES", "5000"))
LIMITS = Limits(memory=1 << 30, silence=60, busy=20)
# Of what a file of a few kilobytes decodes to, more is not read: an hour or so.
MOST = 1 << 28


def resident() -> int:
    """Return the bytes of memory that this process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def outcome(path) -> str:
    """Do with a file all that is done with unknown ones; say how it went."""
    note = truncation.shortfall(path)
    assert note == "" or note.startswith("is cut short: ")
    kept = metadata.read(path)
    assert sum(len(body) for _, body in kept.parts) <= path.stat().st_size
    try:
        found = sound_file.info(path)
        tags = sound_file.tags(path)
        assert all(isinstance(text, str) for text in tags.values())
        count = 0
        for block in sound_file.blocks(path, dtype=exact_dtype(found)):
            assert block.ndim == 2 and block.shape[1] == found.channels
            count += block.size
            if count > MOST:
                return "endless"
    except AudioError as error:
        line = str(error)
        assert line.startswith(f"{path}: ") and "\n" not in line
        assert line.isprintable() and len(line) < 300 + len(str(path))
        reason = error.reason.split(" (")[0]
        return error.reason if "crashed" in reason else reason
    return "samples" if count else "no samples"


def fuzz(folder, count: int) -> collections.Counter:
    """Try so many files; return how often each outcome was."""
    whole, path = originals(folder), folder / "x.wav"
    found, most = collections.Counter(), 0
    with guarded(LIMITS):
        for data in whole:
            path.write_bytes(data)
            assert outcome(path) == "samples"
        before = resident()
        for seed in range(SEED, SEED + count):
            _, data = mutate(whole, seed)
            path.write_bytes(data)
            found[outcome(path)] += 1
            most = max(most, resident())
    assert found.total() == count
    # A block of the largest kind is 8 MB; there may be two, and some slack.
    assert most - before < 64 << 20
    return found


def test_hundreds(tmp_path):
    found = fuzz(tmp_path, 400)
    # Neither all refused nor all read: the mutations reach the decoders.
    assert found["samples"] > 50 and found["cannot be decoded"] > 50


@pytest.mark.slow
def test_thousands(tmp_path):
    found = fuzz(tmp_path, MANY)
    print(f"\n{MANY} files from seed {SEED}:")
    for reason, count in found.most_common():
        print(f"{count:7d}  {reason}")


def test_a_mutation_is_a_function_of_its_seed(tmp_path):
    whole = originals(tmp_path)
    files = [mutate(whole, seed) for seed in range(200)]
    assert files == [mutate(whole, seed) for seed in range(200)]
    assert len({data for _, data in files}) > 190
    assert {kind for done, _ in files for kind in done.split()} == set(KINDS)


def test_a_folder_of_damaged_files_is_accounted_for(folder, load, tmp_path):
    whole = originals(tmp_path)
    put(folder, "good.wav", sound(1.0))
    names = {"good.wav"}
    for seed in range(100):
        name = f"{seed:03d}.wav"
        (folder / name).write_bytes(mutate(whole, 10_000 + seed)[1])
        names.add(name)
    with guarded(LIMITS):
        found = load(max_clips=0)
    assert np.isfinite(found.audio).all()
    assert np.abs(found.audio).max() < 200  # a damaged float may be large, no more
    used = {entry["file"] for entry in found.manifest["files"]}
    left = {name.split(" @ ")[0] for name in reasons(found)}
    assert "good.wav" in used and used | left == names == set(
        scan.scan(str(folder)).names
    )
    assert all("\n" not in reason for reason in reasons(found).values())
