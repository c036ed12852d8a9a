"""Checkpoints: bit-exact, verified, and falling back past every kind of damage."""

import functools
import gc
import logging
import pathlib
import shutil

import jax
import numpy as np
import pytest

from cak_jax.model import train_state as state_lib
from cak_jax.model.train_state import GameSpec
from cak_jax.training.checkpoint import CheckpointError, Checkpoints, digest

# Of a restore that fails orbax leaves coroutines behind; the garbage collector says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

SPEC = GameSpec((2, 2, 2), 1)


@functools.cache
def make(seed):
    state = state_lib.create_state_quickly(jax.random.key(seed), spec=SPEC)
    return state.replace(step=state.step + 10 * seed)


def plain(state):
    return state.replace(key=jax.random.key_data(state.key))


def assert_same(ours, theirs):
    assert ours.key.dtype == theirs.key.dtype
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(plain(ours)),
        jax.tree_util.tree_leaves_with_path(plain(theirs)),
        strict=True,
    )
    for (path, a), (other, b) in pairs:
        assert path == other and a.dtype == b.dtype and a.shape == b.shape
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), path


@pytest.fixture(autouse=True)
def collect():
    """Let the garbage of a failed restore be collected in its own test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints 1 and 2 of the states 1 and 2, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    checkpoints = Checkpoints(folder, keep=3)
    for epoch in (1, 2):
        checkpoints.save(epoch, make(epoch), {})
    checkpoints.close()
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return pathlib.Path(shutil.copytree(saved, tmp_path / "checkpoints"))


def restore(folder):
    checkpoints = Checkpoints(folder, keep=3)
    try:
        return checkpoints.restore(make(0))
    finally:
        checkpoints.close()


def test_newest_comes_back_bit_exact(folder):
    epoch, state, *_ = restore(folder)
    assert epoch == 2
    assert_same(state, make(2))
    # The key draws what it would have drawn.
    ours, theirs = (jax.random.uniform(s.key, (4,)) for s in (state, make(2)))
    np.testing.assert_array_equal(ours, theirs)


def test_no_checkpoint_is_none(tmp_path):
    assert restore(tmp_path / "new") is None
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize("keep", [1, 2])
def test_only_the_newest_are_kept(tmp_path, keep):
    checkpoints = Checkpoints(tmp_path, keep)
    for epoch in (1, 2, 3, 10):
        checkpoints.save(epoch, make(epoch), {})
    checkpoints.close()
    numbers = {int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()}
    assert numbers == {1: {10}, 2: {3, 10}}[keep]
    # 10 is newer than 3, though it is not by name.
    epoch, state, *_ = restore(tmp_path)
    assert epoch == 10
    assert_same(state, make(10))


def data_files(step):
    """Where the tensors' bytes lie."""
    files = [p for p in step.rglob("*") if p.is_file() and "/d/" in p.as_posix()]
    assert files
    return sorted(files, key=lambda path: path.stat().st_size)


def flip(step):
    # In every file, as some hold what others hold too.
    for path in data_files(step):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))


def truncate(step):
    for path in data_files(step):
        path.write_bytes(path.read_bytes()[:-100])


def zero(step):
    for path in data_files(step):
        path.write_bytes(bytes(path.stat().st_size))


def delete_data(step):
    for path in data_files(step):
        path.unlink()


def delete_state(step):
    shutil.rmtree(step / "state")


def delete_note(step):
    shutil.rmtree(step / "note")


def empty(step):
    shutil.rmtree(step)
    step.mkdir()


def other_layout(step):
    path = step / "note" / "metadata"
    text = path.read_text("utf-8")
    assert '"layout": 2' in text
    path.write_text(text.replace('"layout": 2', '"layout": 3'))


DAMAGES = (
    flip, truncate, zero, delete_data, delete_state, delete_note, empty, other_layout
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_is_passed_over(folder, damage, caplog):
    damage(folder / "2")
    with caplog.at_level(logging.WARNING):
        epoch, state, *_ = restore(folder)
    assert epoch == 1
    assert_same(state, make(1))
    said = [r.getMessage() for r in caplog.records if "checkpoint 2" in r.getMessage()]
    assert len(said) == 1 and "\n" not in said[0]


def test_other_numbers_that_read_well_are_noticed(folder, caplog):
    """What orbax itself would restore without a word."""
    shutil.rmtree(folder / "2" / "state")
    shutil.copytree(folder / "1" / "state", folder / "2" / "state")
    with caplog.at_level(logging.WARNING):
        epoch, state, *_ = restore(folder)
    assert epoch == 1
    assert_same(state, make(1))
    assert "its contents changed after it was written" in caplog.text


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.8, 0.95])
def test_no_flipped_bit_gives_other_numbers(folder, share):
    for path in data_files(folder / "2"):
        data = bytearray(path.read_bytes())
        data[int(share * len(data))] ^= 16
        path.write_bytes(bytes(data))
    epoch, state, *_ = restore(folder)
    assert_same(state, make(epoch))


def test_strangers_in_the_folder_do_no_harm(folder):
    (folder / "7").mkdir()
    (folder / "008").mkdir()
    (folder / "9").write_text("a file")
    (folder / "junk").mkdir()
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "3.orbax-checkpoint-tmp").mkdir()
    (folder / "notes.txt").write_text("mine")
    epoch, state, *_ = restore(folder)
    assert epoch == 2
    assert_same(state, make(2))
    assert not (folder / "3.orbax-checkpoint-tmp").exists()


def test_all_damaged_is_an_error_with_a_way_out(folder):
    flip(folder / "1")
    empty(folder / "2")
    with pytest.raises(CheckpointError) as caught:
        restore(folder)
    message = str(caught.value)
    assert str(folder) in message and "start in another --workdir" in message
    assert "1: " in message and "2: " in message and "\n" not in message


def test_another_architecture_is_refused(folder):
    wider = state_lib.create_state_quickly(
        jax.random.key(0), spec=GameSpec((2, 2, 4), 1)
    )
    checkpoints = Checkpoints(folder, keep=3)
    with pytest.raises(CheckpointError, match="no checkpoint can be read"):
        checkpoints.restore(wider)
    checkpoints.close()


# orbax saves neither over an existing step nor below the newest, and does not say so.


@pytest.mark.parametrize("damage", [flip, empty])
def test_a_damaged_newest_can_be_trained_over(folder, damage):
    """After a fall back, the epoch that was damaged is saved anew."""
    damage(folder / "2")
    checkpoints = Checkpoints(folder, keep=3)
    epoch, *_ = checkpoints.restore(make(0))
    assert epoch == 1
    checkpoints.save(2, make(5), {})
    checkpoints.close()
    epoch, state, *_ = restore(folder)
    assert epoch == 2
    assert_same(state, make(5))


@pytest.mark.parametrize("name", ["7", "008"])
def test_a_stray_number_does_not_stop_saving(folder, name):
    (folder / name).mkdir()
    checkpoints = Checkpoints(folder, keep=3)
    epoch, *_ = checkpoints.restore(make(0))
    assert epoch == 2
    checkpoints.save(3, make(3), {})
    checkpoints.close()
    epoch, state, *_ = restore(folder)
    assert epoch == 3
    assert_same(state, make(3))


def test_digest_tells_apart_what_differs():
    base = {"a": np.zeros(3, np.float32), "b": np.float32(1)}
    others = [
        base | {"a": np.zeros(3, np.int32)},
        base | {"a": np.zeros((3, 1), np.float32)},
        base | {"a": np.array([0, 0, -0.0], np.float32)},
        {"a": base["a"], "c": base["b"]},
        base | {"b": np.nextafter(np.float32(1), np.float32(2))},
    ]
    assert len({digest(tree) for tree in (base, *others)}) == 6
    assert digest(base) == digest({"b": base["b"].copy(), "a": base["a"].copy()})
