"""Folders that are full or read-only, by mounts that only the process itself sees."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import soundfile
from support.applying import effect_file, snapshot
from support.sounds import noise, put

ROOT = pathlib.Path(__file__).parent.parent.parent
# A file system of 64 kB; later the same one, read-only.
SCRIPT = """
import json, os, subprocess, sys
from cak_jax.commands import apply

folder, effect, source, small = sys.argv[1:]

def call(*more):
    return apply.main([f"--effect={effect}", "--control=0.8", *more])

subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
codes = [call(source, small, f"--output={folder}", "--json=-")]
left = [sorted(os.listdir(folder))]
rest = os.open(f"{folder}/rest", os.O_WRONLY | os.O_CREAT)
try:
    while os.write(rest, bytes(512)):
        pass
except OSError:
    os.close(rest)
codes.append(call(small, f"--output={folder}/full.wav"))
codes.append(call(small, f"--json={folder}/full.json", "--overwrite"))
left.append(sorted(os.listdir(folder)))
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
apply.render_file = None
codes.append(call(small, f"--output={folder}/y.wav"))
codes.append(call(small, f"--output={folder}/new/", "--json=" + folder + "/x.json"))
left.append(sorted(os.listdir(folder)))
print("RESULT", json.dumps([codes, left]))
"""


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
    )
    return done.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no mounts of one's own here")
def test_a_full_and_a_read_only_folder(tmp_path):
    source = put(tmp_path, "x.wav", noise(60_000, 1), subtype="PCM_16")
    small = put(tmp_path, "small.wav", noise(9_000, 1), subtype="PCM_16")
    folder = tmp_path / "out"
    folder.mkdir()
    effect = effect_file(tmp_path)
    before = snapshot(tmp_path)
    command = ["unshare", "-rm", sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        [*command, folder, effect, source, small],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert "Traceback" not in done.stderr
    codes, left = json.loads(done.stdout.splitlines()[-1].removeprefix("RESULT "))
    assert codes == [1, 1, 1, 1, 2]
    kept = "small__small_c080.wav"
    # No partial file, and nothing where nothing fits.
    assert left == [[kept], ["rest", kept], ["rest", kept]]
    full, again, document, locked, flag = done.stderr.splitlines()
    no_space = "cannot be written (No space left on device)"
    wet = f"{folder}/x__small_c080.wav"
    assert full == f"error: {source}: {wet}: {no_space}"
    assert again == f"error: {small}: {folder}/full.wav: {no_space}"
    assert document == f"error: --json={folder}/full.json: {no_space}"
    # Refused before the work.
    assert locked == f"error: {small}: the folder {folder} cannot be written to"
    assert flag.startswith(f"error: --json={folder}/x.json: ")
    # What the third call rendered stands beside its input; else nothing has changed.
    after = snapshot(tmp_path)
    beside = tmp_path / kept
    assert soundfile.info(beside).frames == 9_000
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == {os.fsencode(beside)}
