"""Which files an argument stands for, against Python's own glob where there is one."""

import glob
import os

import pytest

from cak_jax.audio.formats import SUFFIXES
from cak_jax.commands import apply_inputs


def tree(folder, *names):
    for name in names:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w"):
            pass


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree("d", "b.wav", "a.FLAC", "n.txt", "no suffix", ".hidden.wav", "._a.wav")
    tree("d", "x/2.wav", "x/10.aif", "x/y/deep.ogg", "x.wav/in.mp3", ".git/z.wav")
    tree("d", "kit[1]/k.wav", "x/y/cover.jpg")
    return tmp_path


def paths(*arguments):
    found = apply_inputs.collect(list(arguments))
    assert not any(source.fault for source in found), found
    return [source.path for source in found]


def faults(*arguments):
    return [(s.path, s.fault) for s in apply_inputs.collect(list(arguments)) if s.fault]


def test_a_folder_is_searched_in_depth(here):
    names = ["a.FLAC", "b.wav", "kit[1]/k.wav", "x.wav/in.mp3", "x/10.aif", "x/2.wav"]
    wanted = sorted([*names, "x/y/deep.ogg"], key=lambda name: name.split("/"))
    assert paths("d") == [f"d/{name}" for name in wanted]
    assert paths("d/") == paths("d")
    for source in apply_inputs.collect(["d"]):
        assert (source.root, source.searched) == ("d", True)
    # A hidden folder that is named is no secret.
    assert paths("d/.git") == ["d/.git/z.wav"]


PATTERNS = [
    *("d/*", "d/*.wav", "*/*.wav", "d/**/*.wav", "**/*.wav", "d/**", "**", "d/x/?.wav"),
    *("d/[ab]*", "d/*/y/*", "d/**/y/**", "**/**/**/*.ogg", "*/**/*/*.aif", "d/[!a]*"),
    *("d/kit[[]1[]]/*", "./d/*.wav", "d//x/*", "d/**/**/x/**/*.ogg", "d/*/*/*.ogg"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_pattern_is_what_glob_says(here, pattern, absolute):
    pattern = os.path.join(here, pattern) if absolute else pattern
    wanted = {
        os.path.normpath(path)
        for path in glob.glob(pattern, recursive=True)
        if os.path.isfile(path) and os.path.splitext(path)[1].lower() in SUFFIXES
    }
    found = paths(pattern)
    assert {os.path.normpath(path) for path in found} == wanted
    assert wanted and len(found) == len(wanted)


def test_a_pattern_looks_only_where_it_leads(here, monkeypatch):
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda p: looked.append(p) or scandir(p))
    assert paths("d/x/*.wav") == ["d/x/2.wav"]
    assert looked == ["d/x"]
    paths("d/x*/*.mp3")
    assert "d/x/y" not in looked and "d/kit[1]" not in looked


def test_a_name_that_exists_is_no_pattern(here):
    tree(".", "take[1].wav", "take1.wav")
    assert paths("take[1].wav") == ["take[1].wav"]
    assert paths("d/kit[1]") == ["d/kit[1]/k.wav"]
    os.unlink("take[1].wav")
    assert paths("take[1].wav") == ["./take1.wav"]


def test_a_file_is_taken_as_it_is(here):
    for name in ("d/n.txt", "d/no suffix", "d/.hidden.wav", "missing.wav", "-dash"):
        [source] = apply_inputs.collect([name])
        assert source == apply_inputs.Source(name, os.path.dirname(name) or ".")


def test_what_stands_for_nothing(here):
    os.makedirs("empty/x/y")
    tree("empty", "x/n.txt", ".a.wav")
    assert faults("empty") == [("empty", "holds no sound files")]
    for pattern in ("d/*.au", "nowhere/*.wav", "d/b.wav/*", "d/x?/y/*", "*/../*"):
        [(path, fault)] = faults(pattern)
        assert path == pattern and fault.startswith("no sound file matches")
    assert faults("") == [("", "an input's name is empty")]


def test_each_file_once(here):
    os.symlink("b.wav", "d/link.wav")
    found = apply_inputs.collect(["d/b.wav", "d/*.wav", "d", "d/x/../b.wav"])
    kept = [source.path for source in found if not source.skipped]
    others = [path for path in paths("d") if path not in ("d/b.wav", "d/link.wav")]
    assert kept == ["d/b.wav", *others]
    again = [source for source in found if source.skipped]
    names = ["b.wav", "link.wav", "b.wav", "link.wav", "x/../b.wav"]
    assert [source.path for source in again] == [f"d/{name}" for name in names]
    assert {source.skipped for source in again} == {"is the same file as d/b.wav"}


def test_its_own_name_goes_before_a_link_s(here):
    os.symlink("b.wav", "d/a link.wav")
    os.symlink("x", "d/a link")
    found = [
        source.path for source in apply_inputs.collect(["d"]) if not source.skipped
    ]
    assert "d/b.wav" in found and "d/x/2.wav" in found
    assert not any("link" in path for path in found)
    assert paths("d/a link/*.wav") == ["d/a link/2.wav"]


def test_what_is_named_counts_as_named(here):
    found = apply_inputs.collect(["d", "d/b.wav"])
    named = [source.path for source in found if not source.searched]
    assert named == ["d/b.wav", "d/b.wav"]
    assert [bool(s.skipped) for s in found if s.path == "d/b.wav"] == [False, True]


def test_links_that_lead_round(here):
    os.symlink("..", "d/x/up")
    os.symlink(".", "d/self")
    os.symlink("loop", "d/loop")
    os.symlink("loop.wav", "d/loop.wav")
    os.symlink("..", "d/out")  # not below d: what lies beside it is not asked for
    tree(".", "beside.wav")
    plain = [name for name in paths("d") if "loop.wav" not in name]
    assert len(plain) == 7 and not any("beside" in name for name in plain)
    assert len(paths("d/**/*")) == 8
    other = here / "other"
    other.mkdir()
    tree(other, "s.wav")
    os.symlink("../other", "d/a link")
    assert "d/a link/s.wav" in paths("d")


def test_a_folder_that_cannot_be_read(here, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith(("x", "locked")):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    os.mkdir("locked")
    said = "cannot be searched (Permission denied)"
    assert faults("d") == [("d/x", said)]
    assert faults("locked") == [("locked", said)]
    found = [source.path for source in apply_inputs.collect(["d"]) if not source.fault]
    assert found == ["d/a.FLAC", "d/b.wav", "d/kit[1]/k.wav", "d/x.wav/in.mp3"]


@pytest.mark.parametrize(
    "name",
    ["new\nline", "\U0001f941", os.fsdecode(b"\xff\xfe"), "-dash", "n" * 251, " "],
)
def test_any_name(here, name):
    tree("d/z", name + ".wav")
    assert paths("d/z") == paths("d/z/*") == [f"d/z/{name}.wav"]


def test_a_deep_tree(here):
    deep = "/".join(["s"] * 200)
    tree("deep", f"{deep}/x.wav")
    assert paths("deep") == paths("deep/**/x.*") == [f"deep/{deep}/x.wav"]
