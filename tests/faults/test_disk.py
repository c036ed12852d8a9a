"""Disks that are full or cannot be written, in mount namespaces of their own."""

import os
import pathlib
import subprocess

import harness
import pytest

pytestmark = pytest.mark.skipif(
    not harness.mounts_allowed(), reason="unshare -m is not permitted here"
)

# Kilobytes from one size of disk to the next.
STEP = int(os.environ.get("CAK_FAULTS_DISK_STEP", "80"))


def in_namespace(script: str, env) -> subprocess.CompletedProcess:
    """Run shell lines where mounts are seen by nobody else."""
    return harness.shell(script, env, "unshare", "-m")


def one_error(stderr: str) -> str:
    """The one line that the process complained with."""
    lines = [text for text in stderr.splitlines() if "WARNING" not in text]
    assert len(lines) == 1 and lines[0].startswith("error: "), stderr
    return lines[0]


def run_until_full_then_on(disk, kept, command, size, env, then=""):
    """Give the command a small disk, then a large one; keep the run folder."""
    done = in_namespace(
        f"mount -t tmpfs -o size={size}k none {disk} && {command} 2>{kept}.first\n"
        f"echo CODE $? {then}\n"
        f"mount -o remount,size=50m {disk} && {command} && cp -r {disk}/run {kept}",
        env,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_full_disk_costs_nothing_that_was_saved(tmp_path, whole, env):
    """It fills up during the run; with room again the run goes on where it was."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    command = harness.shell_line(disk / "run", harness.epochs())
    taken = sum(p.stat().st_blocks for p in whole.folder.rglob("*")) // 2
    size = int(0.6 * taken)
    shown = f"&& ls {disk}/run/checkpoints && echo END"
    done = run_until_full_then_on(disk, kept, command, size, env, shown)
    said = one_error(pathlib.Path(f"{kept}.first").read_text("utf-8"))
    assert "CODE 1" in done.stdout and "run the same command again" in said
    assert str(disk) in said and ("make room" in said.lower())
    between = done.stdout.split("CODE 1")[1].split("END")[0].split()
    saved = {name for name in between if name.isdigit()}
    assert saved and all("orbax-checkpoint-tmp" in n for n in set(between) - saved)
    assert "resumed after epoch" in done.stdout
    after = [path.name for path in (kept / "checkpoints").iterdir()]
    assert after and all(name.isdigit() for name in after)
    assert harness.outcome(kept) == whole.outcome


@pytest.mark.slow
@pytest.mark.parametrize("size", range(20, 900, STEP))
def test_a_disk_that_is_full_at_any_size(tmp_path, whole, env, size):
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    command = harness.shell_line(disk / "run", harness.epochs())
    done = run_until_full_then_on(disk, kept, command, size, env)
    if "CODE 0" not in done.stdout:
        one_error(pathlib.Path(f"{kept}.first").read_text("utf-8"))
    assert harness.outcome(kept) == whole.outcome


def test_a_folder_that_cannot_be_written(tmp_path, env):
    """Refused before the work: chmod would not stop root, a read-only mount does."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = in_namespace(
        f"mount --bind {disk} {disk} && mount -o remount,ro,bind {disk} && "
        + harness.shell_line(disk / "new" / "run"),
        env,
    )
    assert done.returncode == 2
    said = one_error(done.stderr)
    assert "cannot be written (Read-only file system)" in said and "--workdir" in said
    assert not list(disk.iterdir())
