"""The architecture: rooms, their order, no circle; read from the source with `ast`."""

import ast
import graphlib
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "cak_jax"
# From the bottom up. A module imports from its own room and from rooms below it.
ROOMS = ["runtime", "model", "effect", "audio", "rendering", "data", "evaluation"]
ROOMS += ["report", "training", "sweep", "apps", "commands"]
# Modules on top: the public names, the entries, and two old addresses of configs'.
TOP = {"__init__", "__main__", "main", "apply", "evaluate", "config", "sweep_points"}
LARGEST_ROOM = 22

TREES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
        path.read_text("utf-8")
    )
    for path in PACKAGE.rglob("*.py")
}
# Who may import a library: rooms, or single modules of them.
OWNERS = {
    "soxr": {"audio.sound_file"},
    "soundfile": {"audio.sound_file", "audio.isolated_decoding.decoder"},
    "sounddevice": {"apps.live.sound_card"},
    "orbax": {"training.checkpoint"},
    "flax": {"model", "training.batch_plan"},
    "flax.linen": {"model.layers", "model.critic", "model.generators"},
    "optax": {"model"},
    "absl": {"commands.train", "commands.train_flags"},
    "ml_collections": {"commands.train_flags", "training", "sweep"},
    "tensorboardX": {"training.metrics_log"},
    "distributed": {"sweep.cluster"},
    "dask": {"sweep.cluster"},
    "IPython": {"apps.notebook.show"},
    "google": {"apps.notebook.files"},
    "scipy": {"rendering.k_weighting"},
    "gradio": {"apps.page"},
    "matplotlib": {"report"},
    "jinja2": {"report.html_page"},
}
BANNED = "pickle torch torchaudio tensorflow librosa dill joblib shelve marshal"
BANNED = {*BANNED.split(), "multiprocessing"}
# Pure: neither files nor streams nor the machine.
PURE = ["model", "rendering.residual", "rendering.traced", "rendering.knob"]
PURE += ["rendering.settings", "rendering.loudness", "effect.morph", "effect.text_code"]
PURE += ["effect.gate", "data.pairs", "data.batch", "data.descriptors"]
PURE += ["training.batch_plan", "training.steps", "apps.live.player"]
PURE += ["rendering.ceiling", "evaluation", "rendering.stream"]
PURE += ["training.devices", "sweep.run_axis", "apps.rate.order", "apps.rate.pairs"]


def imported(tree: ast.AST) -> set[str]:
    """Every module a tree imports, `from a import b` as both `a` and `a.b`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def neighbours(name: str) -> set[str]:
    """The modules of the package that a module imports, lazily or not."""
    found = {m.removeprefix("cak_jax.") for m in imported(TREES[name])}
    return (found & set(TREES)) - {name}


def below(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def room_of(name: str) -> int:
    return ROOMS.index(name.split(".")[0]) if "." in name else len(ROOMS)


def test_every_module_has_a_room():
    assert {name for name in TREES if "." not in name} == TOP
    assert {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()} == {
        *ROOMS
    }
    folders = [str(path.parent) for path in PACKAGE.rglob("*.py")]
    assert max(folders.count(folder) - 1 for folder in folders) <= LARGEST_ROOM


def test_a_room_s_init_is_its_docstring():
    for name, tree in TREES.items():
        if name.endswith(".__init__"):
            assert ast.get_docstring(tree) and len(tree.body) == 1, name


@pytest.mark.parametrize("name", sorted(TREES))
def test_imports_go_downwards(name):
    wrong = {other for other in neighbours(name) if room_of(other) > room_of(name)}
    assert wrong == set()


def test_there_is_no_circle():
    graph = {name: neighbours(name) for name in TREES}
    # The reader reads: an import at the top of a module, and one in a function.
    assert "model.cak" in graph["rendering.residual"]
    assert "rendering.file" in graph["commands.apply"]
    assert len([*graphlib.TopologicalSorter(graph).static_order()]) == len(TREES)


def test_every_library_has_its_room():
    used = {m for tree in TREES.values() for m in imported(tree)}
    assert set(OWNERS) <= used | {m.split(".")[0] for m in used}
    assert not {m.split(".")[0] for m in used} & BANNED
    for library, owners in OWNERS.items():
        for name, tree in TREES.items():
            if any(below(module, library) for module in imported(tree)):
                assert any(below(name, owner) for owner in owners), (library, name)


def test_pure_modules_neither_read_nor_print():
    pure = [name for name in TREES if any(below(name, place) for place in PURE)]
    assert all(any(below(name, place) for name in pure) for place in PURE)
    for name in pure:
        libraries = {module.split(".")[0] for module in imported(TREES[name])}
        assert not libraries & {"os", "pathlib", "sys", "logging", "json"}, name
        calls = [n.func for n in ast.walk(TREES[name]) if isinstance(n, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert not names & {"open", "print", "input"}, name


def test_nothing_is_evaluated_or_unpickled():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert getattr(node.value, "value", True) is False, name
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), name
