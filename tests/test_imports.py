"""The architecture: who imports what, read from the source with `ast`."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "cak_jax"
MODULES = {
    path.stem: ast.parse(path.read_text("utf-8")) for path in PACKAGE.glob("*.py")
}

# From the bottom up: a module imports from layers below its own only.
LAYERS = [
    # pure maths, text and bytes
    ["__init__", "cak", "conv", "files", "level", "pairs", "waveform", "rendezvous"],
    ["interruption", "streams", "epoch_series"],
    ["dither", "chunks", "ceiling", "keyboard"],
    ["flac_blocks"],
    ["metadata", "declared"],
    ["spectrogram_settings"],
    ["spectral", "effect_schema"],
    ["render_settings", "shape", "loudness"],
    ["descriptors", "instruments", "timbre", "agreement", "trust"],
    ["statistics", "synth", "sweep_table"],
    ["models"],
    ["losses"],
    ["state"],
    ["step"],
    ["batch", "device", "compilation", "hosts"],
    ["feed"],
    ["mesh", "steps", "run_width"],
    ["run_axis"],
    # sound in and out, corpus
    ["formats", "decoder_messages"],
    ["decoder", "decoder_link"],
    ["decoder_process", "decoder_pool"],
    ["audio", "labels", "output_file", "sound_card"],
    ["scan", "inputs", "block_reader"],
    ["apply_plan"],
    ["clips", "corpus_settings", "manifest", "store"],
    ["prepare"],
    ["corpus"],
    ["corpus_draw"],
    # effects: what a run leaves, applied and measured
    ["effect_code", "published_model"],
    ["shipped"],
    ["effect"],
    ["controls", "morph", "published", "residual"],
    ["blocks", "frame_core", "render_traced"],
    ["render", "stream", "two_pass"],
    ["render_file", "knob_text"],
    ["measure", "kernel_profile", "knob", "player", "render_flags"],
    ["change", "auditor"],
    ["evaluation", "measure_generator"],
    # pictures and pages
    ["plot_style", "html_page", "verdict", "progress", "command_parser"],
    ["plot_kernel", "plot_spectrogram", "plot_sweep", "plot_waveform"],
    ["report", "web_page", "zoo_page"],
    ["plots"],
    # the rim
    ["checkpoint", "config_faults", "writer"],
    ["config", "sweep_points"],
    ["sweep_runs"],
    ["train", "judged_clips", "run_corpus", "apply_report"],
    ["figures", "provenance", "run_folder"],
    ["outcome"],
    ["film_outcome"],
    ["run_epochs"],
    ["run"],
    # many runs at once
    ["wave"],
    ["sweep_group", "sweep_results"],
    ["zoo"],
    ["sweep_outcome"],
    ["sweep"],
    ["main", "evaluate"],
    ["apply"],
    ["effects"],
    ["effect_command"],
    # in a notebook
    ["notebook_errors", "run_archive", "plot_live", "plot_beside"],
    ["mirror", "notebook_files", "notebook_show"],
    ["notebook_train"],
    ["notebook_paper"],
    ["export_web"],
    ["live_session", "live_flags"],
    ["live"],
    # the page to play with
    ["app_checks", "app_door", "app_pictures"],
    ["app_archive", "app_place", "app_render", "app_train"],
    ["app_tab_play"],
    ["app_tab_train"],
    ["app_page"],
    ["app"],
    ["cli"],
    ["__main__"],
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
# An effect is callable: it hands itself to the renderer, imported when called. And
# `python -m cak_jax.effect` is a command, imported when the module is the program.
UPWARDS = {("effect", "render"), ("effect", "effect_command")}
# Importing these brings JAX; `--help` and a wrong flag must answer without.
HEAVY = {"jax", "flax", "optax", "orbax", "matplotlib", "gradio"}


def imports(tree):
    """Every module a tree imports, `from a import b` as both `a` and `a.b`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def tops(name):
    return {module.split(".")[0] for module in imports(MODULES[name])}


def own(name):
    """The modules of the package that a module imports."""
    found = {m.removeprefix("cak_jax.").split(".")[0] for m in imports(MODULES[name])
             if m.startswith("cak_jax.")}  # fmt: skip
    return found & set(MODULES)


def importers(*libraries):
    return {
        name
        for name in MODULES
        if any(m == lib or m.startswith(lib + ".") for m in imports(MODULES[name])
               for lib in libraries)
    }  # fmt: skip


def test_the_reader_reads():
    """The checks below are as good as this: known imports are found."""
    assert "cak_jax.render_file" in imports(MODULES["apply"])  # a lazy one
    assert own("step") == {"cak", "losses", "models", "state"}
    assert "numpy" in tops("pairs")


def test_every_module_has_its_layer():
    assert set(LAYER) == set(MODULES)
    assert sum(map(len, LAYERS)) == len(MODULES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_downwards(name):
    # Which leaves no room for a cycle, save through what is named in UPWARDS.
    wrong = [
        other
        for other in own(name)
        if LAYER[other] >= LAYER[name] and (name, other) not in UPWARDS
    ]
    assert wrong == []


def test_the_way_up_is_taken_when_called_only():
    for name, other in UPWARDS:
        top = [
            n for n in MODULES[name].body if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert other not in {a.name for node in top for a in node.names}


def test_one_owner_per_library():
    assert importers("soxr") == {"audio"}
    assert importers("soundfile") == {"audio", "decoder"}
    assert importers("sounddevice") == {"sound_card"}
    assert importers("orbax") == {"checkpoint"}
    assert importers("flax.linen") == {"models"}
    assert importers("flax") == {"models", "state", "step", "feed"}
    assert importers("absl", "ml_collections") <= {
        "main", "config", "config_faults", "sweep_points", "sweep_runs"
    }  # fmt: skip
    assert importers("tensorboardX") == {"writer"}
    assert importers("IPython") == {"notebook_show"}
    assert importers("google.colab", "google") == {"notebook_files"}
    assert importers("pyloudnorm", "scipy") == {"loudness"}
    assert importers("gradio") == {
        "app_page", "app_place", "app_tab_play", "app_tab_train"
    }  # fmt: skip
    drawn = importers("matplotlib")
    assert drawn and all(name.startswith("plot") for name in drawn)


def test_what_stands_nowhere():
    banned = ("pickle", "torch", "torchaudio", "tensorflow", "librosa",
              "dill", "joblib", "shelve", "marshal", "multiprocessing")  # fmt: skip
    assert importers(*banned) == set()
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert getattr(node.value, "value", True) is False, name
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), name


def test_pure_modules_neither_read_nor_print():
    pure = ("cak", "conv", "spectral", "models", "losses", "state", "step", "pairs",
            "batch", "feed", "steps", "run_axis", "mesh", "evaluation", "level",
            "measure",
            "descriptors", "agreement", "timbre", "knob", "change", "auditor",
            "kernel_profile", "measure_generator", "shape", "residual", "frame_core",
            "render_traced", "controls", "loudness", "render_settings", "morph",
            "effect_code", "ceiling", "player")  # fmt: skip
    for name in pure:
        assert not tops(name) & {"os", "pathlib", "sys", "logging", "json"}, name
        calls = [n.func for n in ast.walk(MODULES[name]) if isinstance(n, ast.Call)]
        called = {f.id for f in calls if isinstance(f, ast.Name)}
        assert not called & {"open", "print", "input"}, name


COMMANDS = {
    "package": "import cak_jax",
    "apply": "from cak_jax import apply; run(apply.main, ['--help'])",
    "evaluate": "from cak_jax import evaluate; run(evaluate.main, ['--help'])",
    "main": "from cak_jax import main; run(main.main, ['--help'])",
    "wrong flag": "from cak_jax import main; run(main.main, ['--typo=1'])",
    "cli": "from cak_jax import cli; run(cli.main, ['--help'])",
    "effects": "from cak_jax import effects; run(effects.main, ['--help'])",
    "list of effects": "from cak_jax import cli; run(cli.main, ['effects'])",
    "an effect": "from cak_jax import cli; run(cli.main, ['effects', 'published'])",
    "effect": "from cak_jax import cli; run(cli.main, ['effect', '--help'])",
    "shown": "from cak_jax import cli; run(cli.main, ['effect', 'show', 'glass'])",
    "code": "from cak_jax import cli; run(cli.main, "
    "['effect', 'convert', 'glass', '--to=code'])",
    "checked": "from cak_jax import cli; run(cli.main, ['effect', 'validate', 'x'])",
    "module": "import runpy; sys.argv = ['effect', '--help']; "
    "run(lambda _: runpy.run_module('cak_jax.effect', run_name='__main__'), [])",
    "live": "from cak_jax import live; run(live.main, ['--help'])",
    "live, wrong": "from cak_jax import live; run(live.main, ['--effect=x', "
    "'--amount=0.5', 'x.wav'])",
    "app": "from cak_jax import app; run(app.main, ['--help'])",
    "app, wrong": "from cak_jax import app; run(app.main, ['--port=0'])",
    "no effect": "from cak_jax import cli; run(cli.main, ['effects', 'x.json'])",
    "page": "from cak_jax import cli; run(cli.main, ['export-web', '--help'])",
}
PROLOGUE = """
import sys
def run(function, arguments):
    try:
        function(arguments)
    except SystemExit:
        pass
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_quick(name):
    """What answers at once has not imported JAX."""
    report = "\nprint('LOADED', *sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + COMMANDS[name] + report],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "cak_jax" in loaded and not loaded & HEAVY


def test_help_of_the_modules():
    words = {
        "apply": "--control",
        "main": "--workdir",
        "evaluate": "--corpus",
        "effect": "morph",
        "live": "--block-size",
        "app": "--port",
        "export_web": "--output",
    }
    for module, word in words.items():
        done = subprocess.run(
            [sys.executable, "-m", f"cak_jax.{module}", "--help"],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 0 and done.stderr == ""
        assert word in done.stdout


@pytest.mark.parametrize("folder", ["cak_jax", "configs", "experiments", "tests"])
def test_no_file_is_long(folder):
    lengths = {
        path.name: len(path.read_text("utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > 300} == {}
