"""Values that a configuration, a flag or a file may hold: refused in a line each."""

import json
import os
import tracemalloc

import pytest

from cak_jax.commands import train
from cak_jax.data import labels
from cak_jax.data.label_table import LabelError
from cak_jax.effect import effect as effect_lib
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.training import config as config_lib
from cak_jax.training.config import ConfigError


def changed(field, value):
    """The default configuration as a file may make it: nothing keeps kinds there."""
    config = config_lib.load_file(config_lib.shipped("default"))
    *path, last = field.split(".")
    with config.unlocked(), config.ignore_type():
        table = config
        for name in path:
            table = table[name]
        if value is KeyError:
            del table[last]
        else:
            table[last] = value
    return config


@pytest.mark.parametrize(
    "field, value, said",
    [
        ("train.epochs", KeyError, "is missing"),
        ("seed", KeyError, "is missing"),
        ("train.epoch", 3, "there is no such field"),
        ("epochs", 3, "there is no such field"),
        ("train.epochs", "10", "must be a whole number, got a text"),
        ("train.epochs", 10.0, "must be a whole number, got a number"),
        ("train.epochs", True, "must be a whole number, got True or False"),
        ("train.epochs", None, "must be a whole number, got None"),
        ("gate.threshold", "0.3", "must be a number, got a text"),
        ("corpus.path", 7, "must be a text, got a whole number"),
        ("corpus.path", b"bytes", "must be a text, got bytes"),
        ("output.figures", 1, "must be True or False, got a whole number"),
        ("game.critic_widths", 8, "must be a tuple, got a whole number"),
        ("game.critic_widths", (8, 16, True), "must be 3 sizes"),
        ("game.critic_widths", (8, 16, 1.5), "must be 3 sizes"),
        ("output.preview_controls", (0.0, "1"), "must be from 0 to 10"),
        ("train.skip_limit", -1, "must be from 0 to 1e+06, got -1"),
        ("train.epochs", 10**400, "must be from 0 to 1e+06"),
        ("gate.threshold", float("-inf"), "must be from -10 to 10, got -inf"),
        ("train.seed", 2**31, "must be from -1"),
        ("train.devices", -1, "must be from 0"),
        ("train.clips", -1, "must be from 0"),
    ],
)
def test_what_a_configuration_file_may_hold(field, value, said):
    with pytest.raises(ConfigError) as caught:
        config_lib.build(changed(field, value))
    assert str(caught.value).startswith(f"{field}: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("made", [None, {}, {"train": {"epochs": 3}}, [], "config"])
def test_what_is_no_configuration(made):
    with pytest.raises(ConfigError, match="must return an ml_collections ConfigDict"):
        config_lib.build(made)


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", "a\nb"),
        ("name", "\x1b[2J"),
        ("name", "x" * 100_000),
        ("corpus.path", "a\0b"),
        ("corpus.path", "\ud800"),
        ("corpus.cache", "\0"),
        ("corpus.labels", "\0.csv"),
        ("corpus.path", "x" * 100_000),
        ("train.learning_rate_decay", "y" * 100_000),
        ("game.audit", "z" * 100_000),
        ("train.epochs", "9" * 100_000),
        ("train.epochs", "x" * 100_000),
        ("gate.threshold", "1e999"),
        ("game.critic_widths", "(" * 1000),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_what_a_flag_may_hold(field, value, tmp_path, capsys):
    """One short line, whatever stands there; nothing is made."""
    flag = f"--config.{field}={value}"
    assert train.main(["--config=smoke", flag, f"--workdir={tmp_path / 'run'}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) < 1100
    assert field.split(".")[-1] in lines[0]
    assert lines[0].isprintable()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["table.csv", "table.json"])
def test_a_table_of_labels_that_waits_for_ever(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(LabelError, match=name):
        labels.read_table(str(tmp_path / name), "")


HUGE = {
    "spectrogram.n_fft": 10**12,
    "spectrogram.hop_length": 10**15,
    "spectrogram.win_length": 2**62,
    "spectrogram.sample_rate": 10**18,
    "version": 10**300,
    "gate.temperature": 1e308,
    "normalization.high": 1e308,
}


@pytest.mark.parametrize("field", HUGE)
def test_nothing_is_allocated_by_the_numbers_of_an_effect(field, tmp_path):
    kernel = ((0.1, 0.2, 0.3),) * 3
    document = effect_lib.to_document(Effect("grain", kernel, 0.0, 1.0))
    *path, last = field.split(".")
    table = document
    for name in path:
        table = table[name]
    table[last] = HUGE[field]
    file = tmp_path / "effect.json"
    file.write_text(json.dumps(document), "utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(EffectError, match=last):
            effect_lib.load_effect(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20
