"""The reader gives the blocks of a file and reads only a little ahead."""

import time

import numpy as np
import pytest
import soundfile
from support.sounds import noise, put
from support.without_pyav import without_pyav

from cak_jax.apps.live import block_reader
from cak_jax.apps.live.block_reader import BlockReader

RATE = 8000


def take(reader):
    """Wait for a block; a device would not wait."""
    for _ in range(2000):
        block = reader.take()
        if block is not None:
            return block
        time.sleep(0.005)
    raise AssertionError("no block came")


def take_all(reader, size):
    found = [take(reader)]
    while found[-1].shape[-1] == size:
        found.append(take(reader))
    return found


@pytest.fixture
def started():
    """Start a reader, and close it at the end."""
    readers = []

    def start(*arguments, **options):
        readers.append(BlockReader(*arguments, **options))
        readers[-1].start(RATE)
        return readers[-1]

    yield start
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("size", [7, 64, 1000, 4096, 6000, 12000])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_blocks_are_the_file(tmp_path, started, size, channels):
    samples = noise(12000, channels).astype(np.float32)
    path = put(tmp_path, "x.wav", samples)
    reader = started(path, size)
    blocks = take_all(reader, size)
    assert all(b.shape == (channels, size) for b in blocks[:-1])
    assert blocks[-1].shape == (channels, 12000 % size)
    assert all(b.dtype == np.float32 and b.flags.c_contiguous for b in blocks[:-1])
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), samples.T)
    assert reader.take() is None and reader.error is None


def test_a_loop_has_no_seam(tmp_path, started):
    samples = noise(999, 2).astype(np.float32)
    reader = started(put(tmp_path, "x.wav", samples), 64, loop=True)
    found = np.concatenate([take(reader) for _ in range(100)], axis=1)
    wanted = np.tile(samples.T, 7)[:, :6400]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("loop", [False, True])
def test_a_file_without_samples(tmp_path, started, loop):
    reader = started(put(tmp_path, "x.wav", noise(0, 2)), 64, loop=loop)
    assert reader.empty and reader.error is None
    assert not started(put(tmp_path, "y.wav", noise(10, 2)), 64).empty
    assert not started(put(tmp_path, "z.wav", noise(64, 2)), 64).empty


@pytest.mark.parametrize("loop", [False, True])
def test_damage_ends_it_after_what_is_whole(tmp_path, started, loop):
    path = tmp_path / "x.flac"
    samples = noise(40000, 1)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    data = path.read_bytes()
    path.write_bytes(data[:40000] + bytes(9000) + data[49000:])
    with without_pyav():  # which reads on
        reader = started(path, 64, loop=loop)
        found = np.concatenate(take_all(reader, 64), axis=1)[0]
    assert str(reader.error).startswith(f"{path}: is damaged")
    assert 10000 < len(found) < 30000
    np.testing.assert_allclose(found, samples[: len(found), 0], atol=2**-15)


def test_it_reads_no_more_than_a_bit_ahead(monkeypatch, started):
    decoded = []

    def endless(path, frames, note):
        while True:
            decoded.append(frames)
            yield np.full((frames, 1), len(decoded), np.float32)

    monkeypatch.setattr(block_reader.sound_file, "blocks", endless)
    reader = started("x.wav", 100)
    ahead = block_reader.SECONDS_AHEAD * RATE + 2 * block_reader.FRAMES
    assert ahead / 3 < sum(decoded) <= ahead
    for count in range(1, 2001):
        take(reader)
        assert sum(decoded) <= ahead + 100 * count
    assert sum(decoded) >= 200_000
    reader.close()
    held = sum(decoded)
    time.sleep(0.05)
    assert sum(decoded) == held


def test_taking_does_not_wait(tmp_path):
    reader = BlockReader(tmp_path / "x.wav", 64)
    assert reader.take() is None
    reader.close()


def test_what_nobody_thought_of_ends_it_too(monkeypatch, started):
    def broken(path, frames, note):
        yield np.ones((100, 1), np.float32)
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(block_reader.sound_file, "blocks", broken)
    reader = started("x.wav", 64)
    assert [b.shape for b in take_all(reader, 64)] == [(1, 64), (1, 36)]
    assert str(reader.error) == "the disk is on fire"
