"""Archives of a run: what is restored and refused, and what a kill leaves.

Archives that somebody else may have made write nothing at all.
"""

import hashlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import tarfile

import pytest
from support.archives import content, make_run, plain, write_archive

from cak_jax.apps.notebook import mirror
from cak_jax.apps.notebook.mirror import ArchiveError, MirrorError


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "my run", 3)


@pytest.fixture
def missing(tmp_path):
    """A run folder that is not there yet."""
    return tmp_path / "my run"


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
    line = mirror.hash_path(archive).read_text()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert line == f"{found}  {archive.name}\n"
    # Equal files give equal archives, which hold neither owner nor time.
    (run / "config.json").touch()
    again = mirror.keep(run, there)
    assert again.read_bytes() == archive.read_bytes()
    with tarfile.open(archive) as opened:
        assert {(m.uid, m.gid, m.uname, m.mtime) for m in opened} == {(0, 0, "", 0)}


def test_only_the_newest_stay_and_others_are_left_alone(run, there):
    assert mirror.KEPT == 3
    there.mkdir(parents=True)
    others = ["my run.tar", "my run 2.000001.tar", "my run.00001.tar", "notes.txt"]
    for name in others:
        (there / name).write_text("mine")
    names = [mirror.keep(run, there).name for _ in range(5)]
    assert names == [f"my run.{n:06d}.tar" for n in (1, 2, 3, 4, 5)]
    kept = [name for own in names[2:] for name in (own, own + ".sha256")]
    assert sorted(p.name for p in there.iterdir()) == sorted(kept + others)
    assert mirror.archives("my run", there)[0].name == names[-1]


@pytest.mark.parametrize(
    "harm",
    [
        lambda a: a.write_bytes(a.read_bytes()[:-700]),
        lambda a: a.write_bytes(b""),
        lambda a: a.write_bytes(a.read_bytes().replace(b"xxxx", b"xxxy", 1)),
        lambda a: mirror.hash_path(a).unlink(),
        lambda a: mirror.hash_path(a).write_bytes(b""),
        lambda a: mirror.hash_path(a).write_bytes(b"\xff" * 5000),
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
    # The next archive gets a new number.
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
    # So does a folder that is ahead, and one without a mirror.
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
    """Killed before the archive is on disk, before its hash, or before its name."""
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
    # The partial archive is deleted once it is old.
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

    monkeypatch.setattr(mirror, "pack", full)
    with pytest.raises(OSError, match="No space left") as caught:
        mirror.keep(run, there)
    assert caught.value.filename == str(there / "my run.000002.tar")
    names = {path.name for path in there.iterdir()}
    assert names == {first.name, mirror.hash_path(first).name}


HOSTILE = {
    "out": [plain("../out")],
    "deep out": [plain("a/../../out")],
    "absolute": [plain("/tmp/out")],
    "link": [plain("a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
    "through a link": [
        plain("a", b"", type=tarfile.SYMTYPE, linkname=".."),
        plain("a/out"),
    ],
    "hard link": [plain("a", b"", type=tarfile.LNKTYPE, linkname="../out")],
    "fifo": [plain("a", b"", type=tarfile.FIFOTYPE)],
    "device": [plain("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "twice": [plain("a"), plain("./a")],
    "file as folder": [plain("a"), plain("a/b")],
    "folder as file": [plain("a/b"), plain("a")],
    "backslash": [plain("..\\out")],
    "drive letter": [plain("C:out")],
    "newline": [plain("a\nb")],
    "the folder itself": [plain(".")],
    "long": [plain("a" * 1500)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_write_nothing(name, missing, there, tmp_path):
    write_archive(there, [plain("config.json", b"{}"), *HOSTILE[name]])
    before = content(tmp_path)
    said = mirror.restore(missing, there)
    assert len(said) == 2 and "in it" in said[0] and "\n" not in said[0]
    assert content(tmp_path) == before


def test_sizes_that_lie(missing, there):
    path = write_archive(there, [plain("a", b"x" * 2000), plain("b")])
    data = bytearray(path.read_bytes())
    # The first member declares a gigabyte, then a negative size.
    for field in (b"10000000000\0", b"\xff" * 12):
        data[124:136] = field
        head = data[:512]
        head[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(head)
        path.write_bytes(data)
        found = hashlib.sha256(data).hexdigest()
        mirror.hash_path(path).write_text(found)
        with pytest.raises(ArchiveError):
            mirror.check_members(path)
        assert len(mirror.restore(missing, there)) == 2 and not missing.exists()


def test_more_names_than_a_run_has(there, monkeypatch):
    monkeypatch.setattr(mirror, "MOST_MEMBERS", 20)
    for count, refused in ((10, False), (11, True)):
        # Folders count, even if only their files are listed.
        path = write_archive(there, [plain(f"d{n}/x") for n in range(count)])
        if refused:
            with pytest.raises(ArchiveError, match="more than there can be"):
                mirror.check_members(path)
        else:
            assert len(mirror.check_members(path)) == 2 * count


def test_compressed_is_no_archive(tmp_path):
    path = tmp_path / "bomb.tar"
    member, data = plain("a", bytes(10**6))
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(data))
    with pytest.raises(ArchiveError, match="no tar archive"):
        mirror.check_members(path)
