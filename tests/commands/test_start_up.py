"""What answers at once: help and refusals load neither JAX nor anything as large."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Importing these takes seconds; `--help` and a wrong flag must answer without them.
HEAVY = {"jax", "flax", "optax", "orbax", "matplotlib", "gradio", "scipy"}
COMMANDS = {
    "package": "import cak_jax",
    "train": "cak('train', '--help')",
    "train, wrong": "cak('train', '--typo=1')",
    "apply": "cak('apply', '--help')",
    "evaluate": "cak('evaluate', '--help')",
    "cli": "cak('--help')",
    "effects": "cak('effects', '--help')",
    "list of effects": "cak('effects')",
    "an effect": "cak('effects', 'published')",
    "no effect": "cak('effects', 'x.json')",
    "effect": "cak('effect', '--help')",
    "shown": "cak('effect', 'show', 'bright')",
    "code": "cak('effect', 'convert', 'bright', '--to=code')",
    "mixed": "cak('effect', 'morph', 'bright', 'tones', '--output=/')",
    "checked": "cak('effect', 'validate', 'x')",
    "live": "cak('live', '--help')",
    "live, wrong": "cak('live', '--effect=x', '--amount=0.5', 'x.wav')",
    "app": "cak('app', '--help')",
    "app, wrong": "cak('app', '--port=0')",
    "page": "cak('export-web', '--help')",
    "rate": "cak('rate', '--help')",
    "rate, wrong": "cak('rate', '/', '--port=0')",
    "rate, list": "cak('rate', 'cak_jax', '--list')",
    "effect as data": "import cak_jax; cak_jax.load_effect('bright')",
    "gate": "from cak_jax.effect import gate, locate; import cak_jax; "
    "gate.calibrate(cak_jax.load_effect('bright'), 0.5)",
    "short sound": "import numpy as np, soundfile, tempfile; "
    "name = tempfile.mkdtemp() + '/in.wav'; "
    "soundfile.write(name, np.random.default_rng(0).normal(0, 0.3, 9000), 44100); "
    "cak('apply', '--effect=bright', '--amount=0.8', name); "
    "assert not np.array_equal(soundfile.read(name)[0], "
    "soundfile.read(name.replace('in', 'in__bright_a080'))[0])",
    "short array": "import cak_jax, numpy as np; "
    "cak_jax.render(cak_jax.load_effect('bright'), np.ones(9000), 44100, amount=1)",
    "loudness": "import numpy as np; from cak_jax.rendering import loudness; "
    "loudness.integrated(np.ones((1, 9000)), 8000)",
    "morph": "import cak_jax; from cak_jax.effect.morph import morph; "
    "morph([cak_jax.load_effect(n) for n in ('bright', 'tones')], [1, 1])",
}
PROLOGUE = """
import sys
def cak(*arguments):
    from cak_jax.commands import cli
    try:
        cli.main(list(arguments))
    except SystemExit:
        pass
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_answers_without_what_is_heavy(name):
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


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["cak_jax.apply"], "--control"),
        (["cak_jax.main"], "--workdir"),
        (["cak_jax.evaluate"], "--corpus"),
        (["cak_jax", "effect"], "morph"),
        (["cak_jax", "live"], "--block-size"),
        (["cak_jax", "app"], "--port"),
        (["cak_jax", "export-web"], "--output"),
        (["cak_jax", "rate"], "--pairs"),
    ],
    ids=str,
)
def test_help_of_the_modules(command, word):
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert word in done.stdout
