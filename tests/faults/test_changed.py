"""What was changed between a run and its continuation: refused, with the difference."""

import json
import os
import shutil

import harness
import pytest
from support.sounds import grain, put

from cak_jax.commands import train
from cak_jax.training import metrics_log, run_folder
from cak_jax.training.run_folder import RunError

pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, quick):
    """A run of no step on five sounds: what a continuation is compared with."""
    base = tmp_path_factory.mktemp("changed")
    for index in range(5):
        put(base / "sounds", f"{index}.wav", grain(index, 2.0))
    assert command(base) == 0
    return base


@pytest.fixture
def base(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copy")


def command(base, *arguments):
    return train.main(
        [
            *harness.SMALL,
            harness.epochs(0),
            "--config.corpus.held_out=0.2",
            f"--config.corpus.path={base / 'sounds'}",
            f"--config.corpus.cache={base / 'cache'}",
            f"--workdir={base / 'run'}",
            *arguments,
        ]
    )


def refused(base, capsys, *arguments):
    before = {p: p.read_bytes() for p in (base / "run").rglob("*.json*")}
    assert command(base, *arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"{base / 'run'}" in lines[0] and "--workdir" in lines[0]
    assert {p: p.read_bytes() for p in (base / "run").rglob("*.json*")} == before
    return lines[0]


def test_the_same_sounds_elsewhere_are_the_same(base, capsys):
    (base / "sounds").rename(base / "moved")
    assert command(base, f"--config.corpus.path={base / 'moved'}") == 0


def test_a_file_that_went_is_named(base, capsys):
    (base / "sounds" / "3.wav").unlink()
    assert "missing: 3.wav" in refused(base, capsys)


def test_a_file_that_came_is_named(base, capsys):
    put(base / "sounds", "new.wav", grain(9, 2.0))
    assert "new: new.wav" in refused(base, capsys)


def test_a_file_that_changed_is_named(base, capsys):
    put(base / "sounds", "2.wav", grain(8, 2.0))
    assert "changed: 2.wav" in refused(base, capsys)


def test_other_sounds_are_refused_before_they_are_read(base, capsys):
    other = base / "other"
    for index in range(3):
        put(other, f"sub/b{index}.wav", grain(index, 2.0))
    shutil.rmtree(base / "cache")
    said = refused(base, capsys, f"--config.corpus.path={other}")
    assert "its corpus was another one (missing: 0.wav, 1.wav, 2.wav and 2" in said
    assert "the embedded sounds" not in said and not (base / "cache").exists()
    said = refused(base, capsys, "--config.corpus.path=")
    assert "(missing: 0.wav, 1.wav, 2.wav and 2 more)" in said
    path = base / "run" / "config.json"
    document = json.loads(path.read_text())
    document["config"]["corpus.path"] = ""
    path.write_text(json.dumps(document))
    assert "(the embedded sounds, now a folder)" in refused(base, capsys)


def test_a_changed_setting_is_named(base, capsys):
    said = refused(base, capsys, "--config.game.critic_widths=(2,4,9)")
    assert "game.critic_widths: [2, 4, 8] -> [2, 4, 9]" in said


@pytest.mark.parametrize("name", ["config.json", "corpus.json"])
@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"config": 3', "\xff\x00"])
def test_a_damaged_record_is_named(base, capsys, name, text):
    (base / "run" / name).write_text(text, encoding="latin-1")
    assert name in refused(base, capsys)


def test_a_name_that_is_no_unicode_is_refused(tmp_path, capsys):
    folder = tmp_path / "caf\udce9"
    assert train.main([*harness.SMALL, f"--workdir={folder}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "PYTHONUTF8=1" in lines[0]
    assert not list(tmp_path.iterdir())


def test_many_names_are_cut_short():
    old = {"files": [{"file": f"{n}.wav"} for n in range(9)], "clips": 9}
    new = {"files": [], "clips": 0}
    said = run_folder.corpus_difference(old, new)
    assert said == "missing: 0.wav, 1.wav, 2.wav and 6 more"
    assert run_folder.corpus_difference({"clips": 4}, {"clips": 5}) == "4 clips, now 5"


def test_a_changed_file_may_move_the_split():
    """Then only that one is named."""
    one = [{"file": name, "sha256": "1", "clips": [1]} for name in "abc"]
    two = [{**file, "clips": [2]} for file in one]
    said = run_folder.corpus_difference({"files": one}, {"files": two})
    assert said == "the same files with other labels, cuts or another split"
    two[1]["sha256"] = "2"
    said = run_folder.corpus_difference({"files": one}, {"files": two})
    assert said == "changed: b"


@pytest.mark.parametrize("number", sorted(run_folder.NO_LOCKS))
def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, number):
    def flock(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with (
        pytest.raises(RunError, match="knows no locks; name a folder on a local disk"),
        run_folder.locked(tmp_path / "run"),
    ):
        raise AssertionError("is not reached")


def test_what_is_refused_leaves_no_folder(tmp_path):
    folder = tmp_path / "runs" / "deep" / "new"
    with pytest.raises(KeyError), run_folder.locked(folder):
        assert folder.is_dir()
        raise KeyError
    assert not (tmp_path / "runs").exists()
    with pytest.raises(KeyError), run_folder.locked(folder):
        (folder / "config.json").write_text("{}", "utf-8")
        raise KeyError
    assert (folder / "config.json").exists()


@pytest.mark.parametrize("is_run", [False, True])
def test_a_status_without_a_run_goes(tmp_path, is_run):
    if is_run:
        (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(KeyError), run_folder.locked(tmp_path):
        run_folder.write_status(tmp_path, run_folder.Status("reading"))
        raise KeyError
    assert (tmp_path / "status.json").exists() == is_run


@pytest.mark.parametrize("line", ["3", "null", '{"step": 1}', '{"epoch": "x"}', "{"])
def test_strange_lines_in_the_log_end_it(tmp_path, line):
    good = {"kind": "train", "epoch": 1, "step": 3}
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{json.dumps(good)}\n{line}\n{json.dumps(good)}\n", "utf-8")
    log = metrics_log.MetricsWriter(tmp_path, 9)
    log.close()
    assert metrics_log.read_lines(path) == [good]
