"""Every file of a checkpoint, damaged in every way: noticed, or without effect."""

import gc
import json
import logging
import math
import os
import pathlib
import random
import shutil

import driver
import harness
import numpy as np
import pytest
from support.compiling import flags

from cak_jax.effect.effect import load_effect
from cak_jax.training.checkpoint import CheckpointError, Checkpoints, _seal

# Of a restore that fails orbax leaves coroutines behind; the garbage collector says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
PLACES = int(os.environ.get("CAK_FAULTS_PLACES", "8"))
PROGRESS = {"rows": [{"loss": 0.125, "skipped": 0.0}], "skipped": 0}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints of the steps 1 and 2."""
    folder = tmp_path_factory.mktemp("files") / "checkpoints"
    checkpoints = Checkpoints(folder, keep=3)
    for step in (1, 2):
        checkpoints.save(step, driver.make_state(step), PROGRESS)
    checkpoints.close()
    return folder


def files(step: pathlib.Path) -> list[str]:
    return sorted(str(p.relative_to(step)) for p in step.rglob("*") if p.is_file())


def flip(path, share):
    data = bytearray(path.read_bytes())
    if data:
        data[int(share * len(data))] ^= 1 << int(8 * share)
    path.write_bytes(bytes(data))


def truncate(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def zero(path, share):
    data = path.read_bytes()
    kept = int(share * len(data))
    path.write_bytes(data[:kept] + bytes(len(data) - kept))


def delete(path, share):
    del share
    path.unlink()


DAMAGES = {"flip": flip, "truncate": truncate, "zero": zero, "delete": delete}


def survive(saved, folder, name, damage, share, caplog) -> str:
    """Damage one file of the newest; return "noticed", or "harmless"."""
    shutil.copytree(saved, folder)
    before = (folder / "2" / name).read_bytes()
    DAMAGES[damage](folder / "2" / name, share)
    path = folder / "2" / name
    same = path.exists() and path.read_bytes() == before
    caplog.clear()
    checkpoints = Checkpoints(folder, keep=3)
    with caplog.at_level(logging.WARNING):
        found = checkpoints.restore(driver.make_state(0))
    checkpoints.close()
    shutil.rmtree(folder)
    gc.collect()
    # Whatever comes back is whole: leaves, step and progress.
    assert driver.leaves(found.state) == driver.leaves(driver.make_state(found.step))
    assert found.progress == PROGRESS
    if same:
        return "no damage"
    if found.step == 2:
        return "harmless"
    assert "checkpoint 2 cannot be used" in caplog.text
    return "noticed"


def test_some_damages(saved, tmp_path, caplog):
    draw = random.Random(3)
    cases = [(n, d) for n in files(saved / "2") for d in DAMAGES]
    for name, damage in draw.sample(cases, 8):
        survive(saved, tmp_path / "c", name, damage, draw.random(), caplog)


@pytest.mark.slow
def test_every_file_and_every_damage(saved, tmp_path, caplog):
    """At `CAK_FAULTS_PLACES` places of each file; deletion has one."""
    counts, quiet = {}, {}
    for name in files(saved / "2"):
        for damage in DAMAGES:
            places = 1 if damage == "delete" else PLACES
            for place in range(places):
                share = place / places
                said = survive(saved, tmp_path / "c", name, damage, share, caplog)
                counts[said] = counts.get(said, 0) + 1
                if said == "harmless":
                    quiet[name] = quiet.get(name, 0) + 1
    print(f"{sum(counts.values())} damages: {counts}; harmless: {quiet}")


def rewrite(note_path, **changes):
    note = json.loads(note_path.read_text("utf-8")) | changes
    note_path.write_text(json.dumps(note | {"seal": _seal(note)}), "utf-8")


def restore(folder):
    checkpoints = Checkpoints(folder, keep=3)
    try:
        return checkpoints.restore(driver.make_state(0))
    finally:
        checkpoints.close()


def test_a_checkpoint_under_another_name_is_noticed(saved, tmp_path, caplog):
    folder = shutil.copytree(saved, tmp_path / "c")
    (folder / "1").rename(folder / "7")
    with caplog.at_level(logging.WARNING):
        assert restore(folder).step == 2
    assert "it is step 1 under another name" in caplog.text


def test_progress_that_was_changed_is_noticed(saved, tmp_path, caplog):
    folder = shutil.copytree(saved, tmp_path / "c")
    path = folder / "2" / "note" / "metadata"
    text = path.read_text("utf-8")
    assert "0.125" in text
    path.write_text(text.replace("0.125", "0.126"), "utf-8")
    with caplog.at_level(logging.WARNING):
        assert restore(folder).step == 1
    assert "its contents changed after it was written" in caplog.text


def test_only_newer_formats_is_one_line_with_both_numbers(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "c")
    for step in ("1", "2"):
        rewrite(folder / step / "note" / "metadata", layout=99)
    with pytest.raises(
        CheckpointError, match="layout 99, this program reads"
    ) as caught:
        restore(folder)
    assert "\n" not in str(caught.value) and "--workdir" in str(caught.value)


def test_another_number_of_devices(tmp_path, processes):
    """Saved by 8, taken up by 1, then by 4: the same bits on all the devices."""
    said = []
    for step, count in enumerate((8, 1, 4), start=1):
        own = {"XLA_FLAGS": flags(count)}
        done = processes.run("driver", "move", tmp_path, count, step, **own)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
    assert len({sha256 for sha256, *_ in said}) == 1
    assert [rest for _, *rest in said] == [["8", "none"], ["1", "8"], ["4", "1"]]


@pytest.mark.slow
def test_a_run_on_another_number_of_devices(tmp_path, processes):
    """They share batches: 8, then 1, then 4 learn what 1 does, to its last digits."""
    batch = "--config.train.batch_size=8"
    effects = {}
    for name, counts in (("one", (1,)), ("many", (8, 1, 4))):
        for index, count in enumerate(counts):
            own = (
                "--config.train.learning_rate_decay=none",
                f"--config.train.devices={count}",
                harness.epochs(4 - len(counts) + index),
            )
            command = harness.command(tmp_path / name, batch, *own)
            done = processes.run("main", *command, XLA_FLAGS=flags(count))
            assert done.returncode == 0, done.stderr
            if index:
                said = f"devices {counts[index - 1]}, now {count}"
                assert said in done.stdout
        effects[name] = load_effect(tmp_path / name)
    assert not math.isclose(effects["one"].scale, 1.0, rel_tol=1e-3)
    for field in ("kernel", "bias", "scale"):
        ours, theirs = (np.array(getattr(e, field)) for e in effects.values())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
