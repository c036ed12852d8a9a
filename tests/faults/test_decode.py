"""Decoding in other processes: the same samples, and what a file can do to them."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from hostile import HURRIED, SAID, STRICT, install, put_hostile
from processes import children
from support.sounds import LOSSLESS, LOSSY, OTHER, noise, put, sound

from cak_jax.audio import sound_file
from cak_jax.audio.formats import AudioError
from cak_jax.audio.isolated_decoding import client, pool
from cak_jax.audio.isolated_decoding.pool import guarded

OWN_DECODERS = True
ROOT = pathlib.Path(__file__).parent.parent.parent
HARMLESS = ("segv close", "chatter read", "write read")


def test_the_samples_are_the_same(tmp_path):
    paths = []
    for number, (kind, subtype) in enumerate(LOSSLESS + LOSSY + OTHER):
        path = tmp_path / str(number)
        soundfile.write(path, noise() * 0.5, 48000, format=kind, subtype=subtype)
        paths.append(path)

    def everything(path):
        kinds = (("float32", 999), ("float64", 5001), ("int32", 4000))
        blocks = [
            np.concatenate([*sound_file.blocks(path, n, kind)]) for kind, n in kinds
        ]
        return [
            sound_file.info(path),
            sound_file.tags(path),
            *sound_file.read(path),
            *blocks,
        ]

    here = [everything(path) for path in paths]
    with guarded():
        there = [everything(path) for path in paths]
    for first, second in zip(here, there, strict=True):
        for one, other in zip(first, second, strict=True):
            if isinstance(one, np.ndarray):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
            else:
                assert one == other


def test_the_process_is_small_and_bounded(tmp_path):
    path = put(tmp_path, "x.wav", sound(0.1))
    before = children()
    with guarded(STRICT):
        sound_file.info(path)
        [child] = children() - before
        maps = pathlib.Path(f"/proc/{child}/maps").read_text()
        assert "sndfile" in maps and "jaxlib" not in maps and "soxr" not in maps
        lines = pathlib.Path(f"/proc/{child}/limits").read_text().splitlines()
        limits = {line[:26].strip(): line[26:].split()[0] for line in lines}
        assert limits["Max address space"] == str(STRICT.memory)
        assert limits["Max file size"] == limits["Max core file size"] == "0"
        assert limits["Max cpu time"] == str(int(limits["Max cpu time"]))
        # It holds no file once one is closed.
        links = pathlib.Path(f"/proc/{child}/fd").iterdir()
        assert not any(os.readlink(link) == str(path) for link in links)
    assert children() == before


def test_one_file_after_the_other_has_one_process(tmp_path):
    path = put(tmp_path, "x.wav", noise(300_000))
    (tmp_path / "text.wav").write_text("RIFF, or so it says")
    before, opened = children(), len(os.listdir("/proc/self/fd"))
    with guarded():
        first = next(sound_file.blocks(path))
        child = children() - before
        for _ in range(30):
            np.testing.assert_array_equal(next(sound_file.blocks(path)), first)
            with pytest.raises(AudioError, match="cannot be decoded"):
                sound_file.info(tmp_path / "text.wav")
        # What is open at once takes as many.
        parts = [sound_file.blocks(path), sound_file.blocks(path)]
        for part in zip(*parts, strict=True):
            np.testing.assert_array_equal(*part)
        assert len(child) == 1 and len(children() - before) == 2
    assert children() == before
    assert len(os.listdir("/proc/self/fd")) == opened


def test_guards_in_guards(tmp_path):
    path = put(tmp_path, "x.wav", sound(0.1))
    before = children()
    with guarded():
        sound_file.info(path)
        inner = children()
        with guarded():
            sound_file.info(path)
        assert children() == inner
        with guarded(STRICT):
            sound_file.info(path)
            assert len(children()) == len(inner) + 1
        sound_file.info(path)
        assert children() == inner
    assert children() == before and pool.current() is None


def test_threads_have_one_each(tmp_path):
    paths = [put(tmp_path, f"{n}.wav", noise(40_000, 1, n)) for n in range(24)]
    wanted = [sound_file.read(path)[0] for path in paths]
    before, seen = children(), set()
    barrier = threading.Barrier(4)

    def read(path):
        barrier.wait(60)  # so that four are open at once
        found = sound_file.read(path)[0]
        seen.update(children() - before)
        return found

    with guarded(), ThreadPoolExecutor(4) as threads:
        for found, expected in zip(threads.map(read, paths), wanted, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert 1 < len(seen) <= 4


@pytest.mark.parametrize("title", SAID)
def test_a_file_costs_itself_alone(tmp_path, monkeypatch, title):
    install(tmp_path, monkeypatch)
    bad = put_hostile(tmp_path, title)
    good, before = put(tmp_path, "good.wav", sound(1.0)), children()
    with guarded(HURRIED if title.startswith("sleep") else STRICT):
        assert sound_file.info(good).frames == 8000
        with pytest.raises(AudioError) as caught:
            sound_file.read(bad)
        assert str(caught.value) == f"{bad}: {SAID[title]}"
        wanted = sound(1.0).T.astype(np.float32)
        np.testing.assert_array_equal(sound_file.read(good)[0], wanted)
    assert children() == before


@pytest.mark.parametrize("title", HARMLESS)
def test_what_does_no_harm(tmp_path, monkeypatch, title):
    written = install(tmp_path, monkeypatch)
    path = put_hostile(tmp_path, title)
    wanted = soundfile.read(path, dtype="int32")[0]
    with guarded(STRICT):
        for _ in range(3):
            np.testing.assert_array_equal(sound_file.read(path)[0][0], wanted)
    assert not written.exists() or written.stat().st_size == 0


def test_a_crash_over_the_tags_and_one_in_the_middle(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    path = put_hostile(tmp_path, "segv tags")
    ends = put_hostile(tmp_path, "segv end", 20.0)
    with guarded(STRICT):
        with pytest.raises(AudioError, match=r"crashed its decoder \(SIGSEGV\)"):
            sound_file.tags(path)
        assert sound_file.read(path)[0].shape == (1, 8000)
        blocks, samples = sound_file.blocks(ends, 1000), 0
        with pytest.raises(AudioError, match="crashed"):
            for block in blocks:
                samples += len(block)
        assert samples == 160_000
        # Left before the crash it is none.
        assert len(next(sound_file.blocks(ends, 1000))) == 1000


@pytest.mark.slow
def test_a_sound_without_end(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    path = put_hostile(tmp_path, "endless")
    with guarded(STRICT):
        blocks = sound_file.blocks(path)
        with pytest.raises(AudioError, match=r"takes too long .*processor time"):
            while True:
                assert len(next(blocks)) == sound_file.BLOCK_FRAMES


def test_a_process_that_is_killed_from_outside(tmp_path):
    path = put(tmp_path, "x.wav", noise(300_000))
    before = children()
    with guarded():
        blocks = sound_file.blocks(path)
        next(blocks)
        [child] = children() - before
        os.kill(child, signal.SIGKILL)
        with pytest.raises(AudioError, match="its decoder was ended from outside"):
            list(blocks)
        # Between two files nothing is lost, however far its death has come.
        for delay in (0, 0, 0, 1e-4, 1e-3, 1e-2, 0.1):
            sound_file.info(path)
            [child] = children() - before
            os.kill(child, signal.SIGKILL)
            time.sleep(delay)
            assert sound_file.read(path)[0].shape == (2, 300_000)


def test_an_interrupt_leaves_no_half_answer(tmp_path, monkeypatch):
    path = put(tmp_path, "x.wav", noise(300_000))
    receive = client.Link._receive
    with guarded():
        expected = sound_file.read(path)[0]

        def interrupted(self, buffer):
            receive(self, buffer[: len(buffer) // 2])
            raise KeyboardInterrupt

        for _ in range(3):
            monkeypatch.setattr(client.Link, "_receive", interrupted)
            with pytest.raises(KeyboardInterrupt):
                sound_file.read(path)
            monkeypatch.setattr(client.Link, "_receive", receive)
            np.testing.assert_array_equal(sound_file.read(path)[0], expected)


def test_no_process_can_be_started(tmp_path, monkeypatch):
    path = put(tmp_path, "x.wav", sound(0.1))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with (
        guarded(),
        pytest.raises(AudioError, match=r"no process .* \(No such file or directory\)"),
    ):
        sound_file.info(path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        guarded(),
        pytest.raises(AudioError, match=r"no process .* \(exit code 1\)"),
    ):
        sound_file.info(path)


def is_over(process: pathlib.Path) -> bool:
    try:
        return "Z" in (process / "stat").read_text().split()[2]
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_it_goes_when_its_owner_is_killed(tmp_path):
    path = put(tmp_path, "x.wav", sound(0.1))
    code = (
        "import os, pathlib, sys, time\n"
        "from cak_jax.audio import sound_file\n"
        "from cak_jax.audio.isolated_decoding.pool import guarded\n"
        "with guarded():\n"
        "    sound_file.info(sys.argv[1])\n"
        "    print(pathlib.Path('/proc/self/task', str(os.getpid()), 'children')"
        ".read_text(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    child = pathlib.Path("/proc", owner.stdout.readline().strip())
    assert child.exists()
    owner.kill()
    owner.communicate()
    for _ in range(1000):
        if is_over(child):
            return
        time.sleep(0.01)
    raise AssertionError("the decoding process has outlived its owner")
