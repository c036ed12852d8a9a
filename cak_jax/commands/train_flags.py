"""The command line of `cak train`: a folder, flags, and any field of a configuration.

Nothing here loads JAX: `--help` and a wrong flag answer at once.
"""

import argparse
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import config_dict, config_flags

from cak_jax.commands.cli import is_flag, make_folder
from cak_jax.runtime.text import align, nearest, parse_number, printable
from cak_jax.training.config import ConfigError, find, load_file, shipped, shipped_names
from cak_jax.training.config_checks import KINDS, flatten

# Each flag with its default and its line in the help.
FLAGS: dict[str, tuple[str, str]] = {
    "workdir": ("", "run folder; a run that stands there is continued"),
    "profile": ("", "write a trace of the first epoch's steps there"),
    "compilation_cache": ("", "keep compiled programs there for the next run"),
    "cluster": ("", "workers for a sweep: local:N, or tls://HOST:PORT"),
    "cluster_key": ("", "PEM file with the key and certificate of that cluster"),
    "cluster_device": ("", "what every worker must have: cpu, gpu or tpu"),
}
DEVICES = ("cpu", "gpu", "tpu")
# The fields that people change most.
FIELDS = {
    "name": "of the effect, also in the names of rendered files",
    "seed": "of all random choices",
    "corpus.labels": "what the knob moves: a quality, or a table of ratings",
    "corpus.seconds": "of a clip; for single strokes about their length",
    "corpus.fade_seconds": "in and out of every clip",
    "corpus.max_clips": "to train on; 0: no limit",
    "spectrogram.n_fft": "samples of a frame; 0: chosen by short trainings",
    "spectrogram.hop_length": "samples from frame to frame, a quarter of n_fft",
    "train.epochs": "more of them take longer and may fit better",
    "train.crop_frames": "of a clip in one step; 0: the whole clip",
}
RUNS = pathlib.Path("runs")
CONFIG = "config."
SWEPT = "sweep.parts."
NOT_SWEPT = (
    "the configuration does not sweep this field; write a file that does "
    "(configs/sweep.py says how), and name it with --config"
)


def usage() -> str:
    """Return the help: flags, and the fields that people change, with their values."""
    default = flatten(load_file(shipped("default")))
    own = [[f"  --{name}", text] for name, (_, text) in FLAGS.items()]
    own.insert(
        1, ["  --config", "a shipped configuration, or a file; default: default"]
    )
    fields = [
        [f"  --{CONFIG}{field}={default[field]}", text]
        for field, text in FIELDS.items()
    ]
    return "\n".join(
        [
            "usage: cak train FOLDER [--FLAG=VALUE ...]",
            "",
            *align(own),
            "",
            "The fields that people change most, with their defaults:",
            *align(fields),
            "",
            f"All fields, with their meaning: {shipped('default')}",
            f"Shipped configurations: {', '.join(shipped_names())}",
        ]
    )


def parse(arguments: Sequence[str]) -> flags.FlagValues:
    """Return the flags of `FLAGS` and `config`; folders that were not named are "".

    Raises:
      ConfigError: one line per fault.
    """
    name, rest = _split_config(arguments)
    path = find(name)
    try:
        config = load_file(path)
    except ConfigError as error:
        raise ConfigError(f"--config={path}: {error}") from None
    except Exception as error:  # whatever a configuration file's own code raises
        raise ConfigError(f"--config={path}: {type(error).__name__}: {error}") from None
    named = _check_names(rest, config)
    # Not the process-wide flags, because this may be called repeatedly.
    values = flags.FlagValues()  # type: ignore[no-untyped-call]
    values.set_gnu_getopt(True)  # flags may stand behind the folder
    for flag, (default, text) in FLAGS.items():
        flags.DEFINE_string(flag, default, text, flag_values=values)
    line = ["cak train", *rest]
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, sys_argv=line
        )
        folders = values(line)[1:]
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(_value_fault(error, config)) from None
    if folders:
        values.config.corpus.path = _check_folder(folders, named)
    if not values.workdir:
        values["workdir"].value = _named_after(values.config)
    _check_sweep(values)
    for name in ("profile", "compilation_cache"):
        folder = values[name].value
        if folder:
            values[name].value = str(make_folder(f"--{name}", folder))
    return values


def _split_config(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the configuration named by `--config`, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    # Without a value it is "".
    parser.add_argument("--config", action="append", nargs="?", const="")
    options, rest = parser.parse_known_args(arguments)
    names = options.config or ["default"]
    if "" in names:
        raise ConfigError("--config: names no file")
    if len(names) > 1:
        raise ConfigError("--config: is given twice")
    return names[0], rest


def _check_names(arguments: Sequence[str], config: config_dict.ConfigDict) -> set[str]:
    """Return the names of all flags; refuse one that does not exist."""
    flat = flatten(config)
    fields = {CONFIG + field for field in flat}
    on = {CONFIG + field for field, value in flat.items() if isinstance(value, bool)}
    with_value = (fields | FLAGS.keys()) - on
    known = with_value | on | {f"no{switch}" for switch in on}
    named, waiting = set(), ""  # waiting: the flag before, whose value comes next
    for argument in arguments:
        if waiting:
            if argument.startswith("--"):
                break
            waiting = ""
        elif is_flag(argument):
            name, equals, _ = argument.lstrip("-").partition("=")
            if name not in known:
                raise ConfigError(_name_fault(name, list(flat)))
            named.add(name)
            waiting = name if name in with_value and not equals else ""
    if waiting:
        raise ConfigError(f"--{waiting}: needs a value: --{waiting}=VALUE")
    return named


def _name_fault(name: str, fields: list[str]) -> str:
    """Return the line about a flag that there is not."""
    field = name.removeprefix(CONFIG)
    inside = [known for known in fields if known.startswith(f"{field}.")]
    if name.startswith(CONFIG) and inside:
        example = f"--{CONFIG}{inside[0]}"
        return f"--{name}: is a group; set one of its fields, such as {example}"
    if name.startswith(f"{CONFIG}{SWEPT}"):
        return f"--{printable(name)}: {NOT_SWEPT}"
    what = "field" if name.startswith(CONFIG) else "flag"
    names = ["--config", *(f"--{flag}" for flag in FLAGS)]
    # Of fields with the same last part, the one in the fewest groups: seed is meant.
    outer = sorted(fields, key=lambda known: -known.count("."))
    by_last = {known.rpartition(".")[2]: f"--{CONFIG}{known}" for known in outer}
    last = field.rpartition(".")[2]
    near = (
        by_last.get(last)
        or nearest(f"--{name}", [*names, *by_last.values()])
        or by_last.get(nearest(last, by_last))
    )
    hint = f"did you mean {near}?" if near else "cak train --help lists the others"
    return f"--{printable(name)}: there is no such {what}; {hint}"


def _value_fault(error: BaseException, config: config_dict.ConfigDict) -> str:
    """Return the line about a value of another kind than the flag's."""
    text = " ".join(" ".join(map(str, error.args)).split())
    found = re.match(r"flag --([\w.]+)=(.*?): ", text)
    if found is None:
        return f"--config.FIELD=VALUE: {text}"
    name, value = found[1], found[2]
    default = FLAGS[name][0] if name in FLAGS else None
    if default is None:
        default = flatten(config).get(name.removeprefix(CONFIG))
    fault = f"--{name}={printable(value)}: must be {KINDS[type(default).__name__]}"
    if isinstance(default, float):
        try:
            return f"{fault}; write {parse_number(value):g}"
        except ValueError:
            pass
    example = tuple(default) if isinstance(default, list) else default
    return fault if isinstance(default, bool) else f"{fault}, such as {example}"


def _check_folder(folders: list[str], named: set[str]) -> str:
    """Return the folder of sounds that stands on the command line."""
    shown = printable(folders[0])
    if len(folders) > 1:
        raise ConfigError(
            f"{printable(folders[1])}: one folder is enough; put all sounds in one, "
            "subfolders are searched"
        )
    if "config.corpus.path" in named:
        raise ConfigError(f"{shown}: --config.corpus.path names the sounds already")
    if not os.path.exists(os.path.expanduser(folders[0])):
        hint = "name a folder of sounds"
        if pathlib.Path(folders[0]).stem in shipped_names():
            hint = f"did you mean --config={shown}?"
        raise ConfigError(f"{shown}: there is no such folder; {hint}")
    return folders[0]


def _named_after(config: Any) -> str:
    """Return the run folder of a folder of sounds: `runs/NAME`."""
    path = config.corpus.path
    if not path:
        raise ConfigError(
            "FOLDER: missing; name a folder of sounds: cak train FOLDER. Without one, "
            "--workdir=runs/default trains on sounds that are made here"
        )
    # Imported here, because a wrong flag must answer at once.
    from cak_jax.data.settings import corpus_name

    return str(RUNS / corpus_name(path))


def _check_sweep(command: flags.FlagValues) -> None:
    """Refuse flags that only make sense together, or not for this configuration."""
    is_sweep = "sweep" in command.config
    names = [name for name in FLAGS if name.startswith("cluster")]
    given = [name for name in names if command[name].value]
    if given and not is_sweep:
        raise ConfigError(
            f"--{given[0]}: only a sweep is made by workers; --config.train.devices "
            "shares a single run's batches between the devices of one process"
        )
    if given and not command.cluster:
        raise ConfigError(f"--{given[0]}: needs --cluster=ADDRESS")
    if command.cluster_device not in ("", *DEVICES):
        raise ConfigError(
            f"--cluster_device={command.cluster_device}: must be one of "
            f"{', '.join(DEVICES)}"
        )
    if command.cluster:
        from cak_jax.sweep import cluster

        cluster.parse(command.cluster, command.cluster_key)
    if is_sweep and command.profile:
        raise ConfigError(
            "--profile: traces a single run; give a --config without sweep"
        )
