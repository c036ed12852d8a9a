"""Archives that somebody else may have made: nothing of them is written."""

import hashlib
import io
import tarfile

import pytest
from support.archives import content, plain, write_archive

from cak_jax.apps.notebook import mirror, run_archive
from cak_jax.apps.notebook.run_archive import ArchiveError


@pytest.fixture
def run(tmp_path):
    """Where a run would be restored to: it is not there."""
    return tmp_path / "my run"


@pytest.fixture
def there(tmp_path):
    return tmp_path / "drive" / "cak"


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
def test_hostile_archives_write_nothing(name, run, there, tmp_path):
    write_archive(there, [plain("config.json", b"{}"), *HOSTILE[name]])
    before = content(tmp_path)
    said = mirror.restore(run, there)
    assert len(said) == 2 and "in it" in said[0] and "\n" not in said[0]
    assert content(tmp_path) == before


def test_sizes_that_lie(run, there):
    path = write_archive(there, [plain("a", b"x" * 2000), plain("b")])
    data = bytearray(path.read_bytes())
    # A gigabyte, and less than nothing, in the size of the first member.
    for field in (b"10000000000\0", b"\xff" * 12):
        data[124:136] = field
        head = data[:512]
        head[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(head)
        path.write_bytes(data)
        found = hashlib.sha256(data).hexdigest()
        mirror.hash_of(path).write_text(found)
        with pytest.raises(ArchiveError):
            run_archive.check(path)
        assert len(mirror.restore(run, there)) == 2 and not run.exists()


def test_more_names_than_a_run_has(there, monkeypatch):
    monkeypatch.setattr(run_archive, "MOST_MEMBERS", 20)
    for count, refused in ((10, False), (11, True)):
        # Folders on the way count, whether they are listed or not.
        path = write_archive(there, [plain(f"d{n}/x") for n in range(count)])
        if refused:
            with pytest.raises(ArchiveError, match="more than there can be"):
                run_archive.check(path)
        else:
            assert len(run_archive.check(path)) == 2 * count


def test_compressed_is_no_archive(tmp_path):
    path = tmp_path / "bomb.tar"
    member, data = plain("a", bytes(10**6))
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(data))
    with pytest.raises(ArchiveError, match="no tar archive"):
        run_archive.check(path)
