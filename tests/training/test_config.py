"""Configurations: shipped ones train, faulty ones are refused in one line."""

import itertools
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from cak_jax.commands import train
from cak_jax.model import train_state as state_lib, train_step
from cak_jax.training import config as config_lib, config_checks, run
from cak_jax.training.trainer import Trainer

CONFIGS = pathlib.Path(__file__).parent.parent.parent / "configs"
SHIPPED = sorted(path.stem for path in CONFIGS.glob("[!_]*.py"))
QUICK = ("default", "smoke")
CASES = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in SHIPPED]

TINY = {
    "corpus.seconds": 0.5,
    "corpus.fade_seconds": 0.1,
    "corpus.synthetic_clips": 4,
    "spectrogram.sample_rate": 8000,
    "spectrogram.n_fft": 256,
    "spectrogram.hop_length": 64,
    "game.critic_widths": (2, 2, 2),
    "game.critic_steps": 2,
    "train.batch_size": 2,
    "train.clips": 0,
}


def load(name, **overrides):
    config = config_lib.load_file(CONFIGS / f"{name}.py")
    with config.unlocked():
        config.update_from_flattened_dict(overrides)
    return config


HEARD_FAULTY = [
    ("corpus.labels", "random", "one of spectral_flatness"),
    ("corpus.labels", "--attack", "one of spectral_flatness"),
    ("corpus.labels", "ratings.txt", "or for the ratings of a .csv or .json file"),
    ("corpus.unread_labels", "ignore", "one of refuse, train; got ignore"),
    ("game.spacing", "(0,4)", "from 1 to 16"),
    ("game.spacing", "(4,17)", "from 1 to 16"),
    ("game.generator", "film", "needs cak"),
    ("train.crop_bins", "256", "the whole band"),
    ("train.crop_frames", "20", "needs crops of 21 frames"),
]


@pytest.mark.parametrize("table", ["ratings.csv", "a/b.JSON"])
def test_the_heard_audit_takes_a_table_of_ratings(table):
    settings = config_lib.build(load("default", **{"corpus.labels": table}))
    assert (settings.corpus.labels, settings.unread_labels) == (table, "refuse")


def test_a_refused_run_may_go_on_with_unread_labels():
    """It shapes whether a run begins, not the effect."""
    one, other = (
        load("default", **{"corpus.unread_labels": value})
        for value in ("refuse", "train")
    )
    assert config_lib.digest(one) == config_lib.digest(other)
    flat = [config_checks.flatten(config) for config in (one, other)]
    assert config_lib.differences(*flat) == []


@pytest.mark.parametrize("field, value, words", HEARD_FAULTY)
def test_what_the_heard_audit_cannot_take(field, value, words, capsys, tmp_path):
    flag = f"--config.{field}={value}"
    lines = refused(capsys, tmp_path / "run", "--config=default", flag)
    assert any(f"error: {field}: " in line and words in line for line in lines)


@pytest.mark.parametrize("name", CASES)
def test_a_shipped_config_takes_a_step(name):
    config = load(name, **TINY)
    if config.train.crop_frames:
        hears = config.game.audit == "heard"
        config.corpus.seconds = 1.0 if hears else config.corpus.seconds
        config.train.crop_frames = 0 if hears else 16
        config.train.crop_bins = 0 if hears else 64
    settings = config_lib.build(config)
    trainer = Trainer(settings, run.prepare_corpus(settings))
    before = jax.device_get(trainer.state.params)
    warm = float(train_step.learning_rate_factor(trainer.state, trainer.hparams))
    dispatches = trainer.dispatches
    trainer.steps_per_dispatch = trainer.steps_per_epoch = 1
    trainer.dispatches = lambda *place: itertools.islice(dispatches(*place), 1)
    seen = []
    means = trainer.run_epoch(seen.append)
    assert len(seen) == 1 and np.isfinite(list(means.values())).all()
    # Adam's first steps are the learning rate long: the critic's n and the player's 1.
    rates = config.train.learning_rate_critic, config.train.learning_rate_generator
    limit = config.game.critic_steps * rates[0] + rates[1]
    moved = np.abs(
        trainer.state.params["detector"]["kernel"] - before["detector"]["kernel"]
    )
    # Later steps of beta1 = 0, beta2 = 0.9 are at most sqrt(10) rates long.
    assert 0 < moved.max() <= limit * np.sqrt(10)
    learned = ("film",) if config.game.generator == "film" else ("scale",)
    steps = jax.tree.map(
        lambda old, new: np.abs(new - old).max(),
        *(state_lib.part(params, learned) for params in (before, trainer.state.params)),
    )
    for longest in jax.tree.leaves(steps):
        assert longest == pytest.approx(warm * rates[1], rel=1e-2)


def test_paper_is_the_papers():
    """The constants of arXiv 2508.02643, written out; design, sections 2.1 to 2.4."""
    flat = config_lib.flatten(load("paper"))
    expected = {
        "corpus.clip": "centre",
        "corpus.seconds": 15.0,
        "corpus.fade_seconds": 2.0,
        "corpus.labels": "random",
        "spectrogram.sample_rate": 44100,
        "spectrogram.n_fft": 2048,
        "spectrogram.hop_length": 512,
        "spectrogram.alpha": 10.0,
        "spectrogram.gamma": 0.85,
        "game.audit": "absolute",
        "game.request": "control",
        "game.leash": 0.0,
        "game.kernel_gain": 0.1,
        "game.pairing": "paper",
        "game.critic_widths": [32, 64, 128],
        "game.critic_steps": 5,
        "game.weight_adversarial": 1.0,
        "game.weight_gradient_penalty": 10.0,
        "game.weight_compliance": 2.0,
        "game.weight_reconstruction": 5.0,
        "game.weight_pattern": 0.01,
        "gate.threshold": 0.3,
        "gate.temperature_initial": 2.0,
        "gate.temperature_final": 20.0,
        "gate.anneal_epochs": 5.0,
        "train.epochs": 100,
        "train.batch_size": 16,
        "train.crop_frames": 0,
        "train.crop_bins": 0,
        "train.learning_rate_generator": 1e-4,
        "train.learning_rate_critic": 1e-4,
        "train.learning_rate_decay": "none",
        "train.learning_rate_warmup": 0.0,
    }
    assert {field: flat[field] for field in expected} == expected
    published = config_lib.flatten(load("published"))
    differ = {field for field in flat if flat[field] != published[field]}
    assert differ == {"name", "game.pairing", "corpus.short"}
    film = config_lib.flatten(load("film"))
    differ = {field for field in flat if flat[field] != film[field]}
    assert differ == {"name", "game.generator", "output.previews"}


def test_shipped_configs_have_the_same_fields():
    fields = set(config_lib.flatten(load("default")))
    for name in set(SHIPPED) - {"__init__"}:
        named = {f for f in config_lib.flatten(load(name)) if f[:6] != "sweep."}
        assert named == fields
    assert set(config_checks.RANGES) <= fields


def refused(capsys, workdir, *arguments, given_workdir=True):
    """Run the real command line; return its lines of complaint."""
    where = [f"--workdir={workdir}"] if given_workdir else []
    code = train.main([*arguments, *where])
    printed = capsys.readouterr()
    assert code == 2, printed.err
    lines = printed.err.splitlines()
    assert lines and all(line.startswith("error: ") for line in lines)
    assert "Traceback" not in printed.err
    assert not workdir.exists()
    return lines


FAULTY = [
    ("seed", "-1"),
    ("corpus.seconds", "nan"),
    ("corpus.seconds", "0"),
    ("corpus.seconds", "1e9"),
    ("corpus.fade_seconds", "-1"),
    ("corpus.fade_seconds", "nan"),
    ("corpus.fade_seconds", "8.0"),
    ("corpus.held_out", "1.0"),
    ("corpus.held_out", "nan"),
    ("corpus.max_clips", "-1"),
    ("corpus.max_held_out", "-1"),
    ("corpus.clip", "middle"),
    ("corpus.short", "end"),
    ("corpus.synthetic_clips", "0"),
    ("spectrogram.sample_rate", "0"),
    ("spectrogram.n_fft", "2047"),
    ("spectrogram.n_fft", "0"),
    ("spectrogram.hop_length", "0"),
    ("spectrogram.hop_length", "500"),
    ("spectrogram.alpha", "nan"),
    ("spectrogram.gamma", "-0.85"),
    ("game.audit", "none"),
    ("game.request", "all"),
    ("game.leash", "-0.5"),
    ("game.kernel_gain", "nan"),
    ("game.pairing", "papper"),
    ("game.generator", "unet"),
    ("game.critic_widths", "(8,16)"),
    ("game.critic_widths", "(8,16,-1)"),
    ("game.critic_widths", "(8,16,100000)"),
    ("game.critic_steps", "0"),
    ("game.critic_steps", "-1"),
    ("game.spacing", "(4,4)"),
    ("game.spacing", "(1,1,1)"),
    ("game.weight_level", "0.1"),
    ("game.weight_direction", "0.5"),
    ("game.weight_compliance", "nan"),
    ("game.weight_pattern", "-1.0"),
    ("game.weight_adversarial", "inf"),
    ("gate.threshold", "nan"),
    ("gate.temperature_initial", "-2.0"),
    ("gate.temperature_final", "1e30"),
    ("gate.anneal_epochs", "-1.0"),
    ("train.epochs", "-1"),
    ("train.batch_size", "0"),
    ("train.batch_size", "100000000"),
    ("train.crop_frames", "-1"),
    ("train.crop_frames", "3"),
    ("train.crop_frames", "5000"),
    ("train.crop_bins", "15"),
    ("train.crop_bins", "1026"),
    ("train.microbatch", "-1"),
    ("train.microbatch", "3"),
    ("train.microbatch", "16"),
    ("train.storage", "disk"),
    ("train.steps_per_dispatch", "0"),
    ("game.critic_dtype", "float8"),
    ("train.learning_rate_generator", "nan"),
    ("train.learning_rate_critic", "0.0"),
    ("train.learning_rate_critic", "1e9"),
    ("train.learning_rate_decay", "linear"),
    ("train.learning_rate_warmup", "-0.1"),
    ("train.learning_rate_warmup", "1.1"),
    ("train.evaluate_every", "0"),
    ("train.checkpoint_every", "-3"),
    ("train.checkpoints_kept", "0"),
    ("output.previews", "-1"),
    ("output.preview_controls", "(0.0,nan)"),
    ("output.preview_controls", "(0.0,11.0)"),
    ("name", "a\nb"),
    ("train.epochs", "ten"),
    ("train.epochs", "1.5"),
    ("train.learning_rate_critic", "fast"),
    ("game.critic_widths", "(8,"),
]


@pytest.mark.parametrize("field, value", FAULTY)
def test_a_faulty_field_is_named_in_one_line(field, value, capsys, tmp_path):
    flag = f"--config.{field}={value}"
    lines = refused(capsys, tmp_path / "run", "--config=relative", flag)
    assert len(lines) == 1 and "nknown" not in lines[0]
    assert field in lines[0] or field.split(".")[-1] in lines[0]


def test_each_fault_has_its_line(capsys, tmp_path):
    faulty = ("--config.train.epochs=-1", "--config.gate.threshold=nan")
    lines = refused(capsys, tmp_path / "run", "--config=default", *faulty)
    assert len(lines) == 2
    assert {line.split(": ")[1] for line in lines} == {"train.epochs", "gate.threshold"}


def test_unusable_commands(capsys, tmp_path):
    workdir = tmp_path / "run"
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "bare.py").write_text("x = 1\n")
    cases = [
        (["--config.train.epoch=3"], "epoch"),
        (["--config=nowhere.py"], "nowhere.py"),
        (["--config"], "--config"),
        (["--config=default", "--config=paper"], "twice"),
        (["--confg=default"], "confg"),
        (["default"], "default"),
        ([f"--config={empty}"], "empty"),
        ([f"--config.corpus.path={tmp_path / 'missing'}"], "missing"),
        ([f"--config.corpus.path={empty}"], "empty"),
        ([f"--config.corpus.path={tmp_path / 'bare.py'}"], "bare.py"),
        (["--config.corpus=3"], "corpus"),
        ([f"--profile={tmp_path / 'bare.py'}"], "--profile"),
        ([f"--compilation_cache={tmp_path / 'bare.py' / 'x'}"], "--compilation_cache"),
    ]
    for arguments, word in cases:
        lines = refused(capsys, workdir, *arguments)
        assert len(lines) == 1 and word in lines[0], (arguments, lines)


@pytest.mark.parametrize(
    "text, word",
    [
        ("def get_config():\n    return 1 / 0\n", "division by zero"),
        ("x = 1\n", "has no function get_config; configs/smoke.py shows one"),
        ("def get_config(:\n", "SyntaxError"),
    ],
)
def test_a_broken_configuration_file(text, word, tmp_path):
    # In a process of its own: absl keeps what such a file left behind.
    path = tmp_path / "mine.py"
    path.write_text(text)
    command = [sys.executable, "-m", "cak_jax.main", f"--config={path}"]
    command.append(f"--workdir={tmp_path / 'run'}")
    done = subprocess.run(command, capture_output=True, text=True, cwd=CONFIGS.parent)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and word in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_workdir(capsys, tmp_path):
    lines = refused(capsys, tmp_path / "x", "--workdir=", given_workdir=False)
    assert lines == [
        "error: FOLDER: missing; name a folder of sounds: cak train FOLDER. Without "
        "one, --workdir=runs/default trains on sounds that are made here"
    ]


def test_a_run_without_a_name_is_called_after_its_corpus(tmp_path):
    """A folder's name, a zip's without its suffix; a name of its own is kept."""
    (tmp_path / "tape.v2").mkdir()
    (tmp_path / "drums.zip").write_bytes(b"PK")
    names = {
        "": "synthetic instruments",
        str(tmp_path / "tape.v2"): "tape.v2",
        f"{tmp_path}/tape.v2/../tape.v2/": "tape.v2",
        str(tmp_path / "drums.zip"): "drums",
        str(tmp_path / "a\nb"): "a\\nb",
        "/": "sounds",
    }
    config = load("default")
    for path, name in names.items():
        config.corpus.path = path
        assert config_lib.build(config).name == name
    config.name = "mine"
    assert config_lib.build(config).name == "mine"
