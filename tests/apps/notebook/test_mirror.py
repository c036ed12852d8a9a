"""A run kept a second time: what is restored and refused, and what a kill leaves."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tarfile

import pytest
from support.archives import content, make_run

from cak_jax.apps.notebook import mirror, run_archive
from cak_jax.apps.notebook.mirror import MirrorError


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "my run", 3)


@pytest.fixture
def there(tmp_path):
    return tmp_path / "drive" / "cak"


def test_restored_equals_what_was_kept(run, there, tmp_path):
    (run / "empty").mkdir()
    kept = content(run)
    (run / ".lock").write_text("")
    (run / "link").symlink_to(tmp_path)
    partial = run / "checkpoints" / "4.orbax-checkpoint-tmp" / "x"
    partial.parent.mkdir()
    partial.write_text("half")
    archive = mirror.keep(run, there)
    run.rename(tmp_path / "lost")
    said = mirror.restore(run, there)
    assert said == [f"{run}: restored from {archive.name}"]
    assert content(run) == kept
    assert mirror.restore(run, there) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drive", "lost", "my run"
    ]  # fmt: skip


def test_hash_is_what_sha256sum_reads(run, there):
    archive = mirror.keep(run, there)
    line = mirror.hash_of(archive).read_text()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert line == f"{found}  {archive.name}\n"
    # The same files, the same bytes: nothing of owner or time is in it.
    (run / "config.json").touch()
    again = mirror.keep(run, there)
    assert again.read_bytes() == archive.read_bytes()
    with tarfile.open(archive) as opened:
        assert {(m.uid, m.gid, m.uname, m.mtime) for m in opened} == {(0, 0, "", 0)}


def test_only_the_newest_stay_and_others_are_left_alone(run, there):
    there.mkdir(parents=True)
    others = ["my run.tar", "my run 2.000001.tar", "my run.00001.tar", "notes.txt"]
    for name in others:
        (there / name).write_text("mine")
    names = [mirror.keep(run, there, kept=2).name for _ in range(4)]
    assert names == [f"my run.{n:06d}.tar" for n in (1, 2, 3, 4)]
    kept = [name for own in names[2:] for name in (own, own + ".sha256")]
    assert sorted(p.name for p in there.iterdir()) == sorted(kept + others)
    assert mirror.archives("my run", there)[0].name == names[-1]


@pytest.mark.parametrize(
    "harm",
    [
        lambda a: a.write_bytes(a.read_bytes()[:-700]),
        lambda a: a.write_bytes(b""),
        lambda a: a.write_bytes(a.read_bytes().replace(b"xxxx", b"xxxy", 1)),
        lambda a: mirror.hash_of(a).unlink(),
        lambda a: mirror.hash_of(a).write_bytes(b""),
        lambda a: mirror.hash_of(a).write_bytes(b"\xff" * 5000),
    ],
)
def test_a_damaged_one_is_said_and_the_one_before_is_taken(run, there, tmp_path, harm):
    first = mirror.keep(run, there)
    make_run(run, 4)
    harm(mirror.keep(run, there))
    run.rename(tmp_path / "lost")
    said = mirror.restore(run, there)
    assert len(said) == 2 and said[1].endswith(first.name)
    assert said[0].startswith("my run.000002.tar: ") and "not used" in said[0]
    assert not (run / "checkpoints" / "4").exists()
    # The next one has a number of its own.
    assert mirror.keep(run, there).name == "my run.000003.tar"


def test_none_is_good(run, there, tmp_path):
    mirror.keep(run, there).write_bytes(b"no")
    run.rename(tmp_path / "lost")
    said = mirror.restore(run, there)
    assert said[-1] == f"{there}: holds no archive of my run that can be used"
    assert not run.exists()


def test_a_folder_that_is_behind_is_kept_aside(run, there, tmp_path):
    behind = content(run)
    ahead = make_run(tmp_path / "other" / "my run", 12)
    mirror.keep(ahead, there)
    said = mirror.restore(run, there)
    assert content(run) == content(ahead)
    aside = list(tmp_path.glob("my run.behind.*"))
    assert len(aside) == 1 and content(aside[0]) == behind and str(aside[0]) in said[1]


def test_a_folder_that_is_as_far_stays(run, there, tmp_path):
    mirror.keep(run, there)
    (run / "report.html").write_text("newer")
    before = content(run)
    assert mirror.restore(run, there) == [] and content(run) == before
    # Neither is one that is further, nor where nothing was mirrored.
    make_run(run, 10)
    assert mirror.restore(run, there) == []
    assert mirror.restore(run, tmp_path / "nowhere") == []


def test_another_run_is_refused(run, there, tmp_path):
    mirror.keep(make_run(tmp_path / "other" / "my run", 12, "b"), there)
    before = content(run)
    with pytest.raises(MirrorError, match="other settings") as caught:
        mirror.restore(run, there)
    assert "\n" not in str(caught.value) and content(run) == before


KILLED = """
import os, pathlib, signal, sys
from cak_jax.apps.notebook import mirror
run, there, where = sys.argv[1:]
def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "archive":
    mirror.os.fsync = die
elif where == "hash":
    mirror.replace_file = die
else:
    mirror.os.replace = die
mirror.keep(pathlib.Path(run), pathlib.Path(there))
"""


@pytest.mark.parametrize("where", ["archive", "hash", "name"])
def test_killed_while_it_writes(where, run, there, tmp_path):
    """Before the archive is on disk, between it and its hash, before it has a name."""
    first = mirror.keep(run, there)
    make_run(run, 4)
    root = str(pathlib.Path(mirror.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, run, there, where],
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.returncode == -signal.SIGKILL
    assert mirror.archives("my run", there) == [first]
    run.rename(tmp_path / "lost")
    assert mirror.restore(run, there) == [f"{run}: restored from {first.name}"]
    # What the kill left goes once it is old, and is in nobody's way until then.
    (left,) = there.glob(".my run.*.partial")
    mirror.keep(run, there)
    assert left.exists()
    os.utime(left, (0, 0))
    mirror.keep(run, there)
    assert not left.exists()


def test_a_full_disk_costs_the_new_one_only(run, there, monkeypatch):
    first = mirror.keep(run, there)

    def full(run, file):
        file.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_archive, "pack", full)
    with pytest.raises(OSError, match="No space left") as caught:
        mirror.keep(run, there)
    assert caught.value.filename == str(there / "my run.000002.tar")
    names = {path.name for path in there.iterdir()}
    assert names == {first.name, mirror.hash_of(first).name}
