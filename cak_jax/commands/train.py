"""Train an effect: `python -m cak_jax.main --config=configs/default.py --workdir=DIR`.

Prepares the corpus, plays the audit game, evaluates on held-out clips and leaves a run
folder with the effect, its measures, figures, previews and a report. Run again with
the same --workdir it resumes. A configuration with a sweep trains all of its runs.
"""

import argparse
import errno
import sys

from absl import flags
from ml_collections import config_flags

from cak_jax.commands.cli import make_folder
from cak_jax.runtime import console, signals
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    UserError,
)
from cak_jax.training.config import ConfigError, find, load_file

USAGE = """
  --config=FILE   configuration file, or the name of a shipped one (default,
                  relative, paper, published, film, smoke; sweep and sweep_... for
                  many runs at once); without it, default
  --workdir=DIR   run folder; a run that stands there is continued
  --config.FIELD=VALUE   any field of the configuration, as in
                  --config.corpus.path=FOLDER --config.train.epochs=20
  --profile=DIR   write a trace of the first epoch's steps, for TensorBoard or
                  ui.perfetto.dev
  --compilation_cache=DIR   keep compiled programs there for the next run
  --coordinator=HOST:PORT --processes=N --process=I   this is process I, from 0, of N
                  that make a sweep together, each started with the same command;
                  they share --workdir and process 0 listens at the address

python -m cak_jax.main --config=configs/default.py --workdir=runs/default
"""

# The remedy for each fault of the system, by its error number.
REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "name a folder that can be written",
    errno.EACCES: "give yourself the right to it",
    errno.EMFILE: "allow more open files (ulimit -n 1024)",
}
OUT_OF_MEMORY = (
    "not enough memory: lower train.batch_size, train.crop_frames or corpus.max_clips"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0 done, 1 the run failed, 2 unusable arguments; 130 and 143 stopped by Ctrl-C and by
    SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    console.make_usable()
    if {"--help", "-h"} & set(arguments):
        print(__doc__ + USAGE)
        return EXIT_DONE
    try:
        command = parse(arguments)
    except UserError as error:
        return console.complain(error, error.exit_code)
    with signals.watch() as stops:
        return execute(command, stops)


def parse(arguments: list[str]) -> flags.FlagValues:
    """Return the flags of `USAGE`; folders that were not named are "".

    Raises:
      InputError: one line per fault.
    """
    name, rest = split_config(arguments)
    path = find(name)
    try:
        config = load_file(path)
    except ConfigError as error:
        raise ConfigError(f"--config={path}: {error}") from None
    except Exception as error:  # whatever a configuration file's own code raises
        raise ConfigError(f"--config={path}: {type(error).__name__}: {error}") from None
    # Not the process-wide flags, because this may be called repeatedly.
    values = flags.FlagValues()  # type: ignore[no-untyped-call]
    for name in ("workdir", "profile", "compilation_cache", "coordinator"):
        flags.DEFINE_string(name, "", "a folder", flag_values=values)
    for name, default in (("processes", 1), ("process", 0)):
        flags.DEFINE_integer(name, default, "a number", flag_values=values)
    line = ["cak_jax.main", *rest]
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, sys_argv=line
        )
        left = values(line)[1:]
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(shorten(error)) from None
    if left:
        raise ConfigError(f"{left[0]}: is no flag; settings are --config.FIELD=VALUE")
    if not values.workdir:
        raise ConfigError("--workdir: is missing; name a folder for the run")
    check_hosts(values)
    for name in ("profile", "compilation_cache"):
        folder = values[name].value
        if folder:
            values[name].value = str(make_folder(f"--{name}", folder))
    return values


def check_hosts(command: flags.FlagValues) -> None:
    """Refuse flags that only make sense together, or not for this configuration."""
    count, process, address = command.processes, command.process, command.coordinator
    is_sweep = "sweep" in command.config
    if count < 1 or not 0 <= process < count:
        raise ConfigError(
            f"--process={process}: must be from 0 to one less than --processes={count}"
        )
    if count > 1 and not address:
        raise ConfigError("--processes: needs --coordinator=HOST:PORT of process 0")
    if count == 1 and address:
        raise ConfigError("--coordinator: needs --processes=N above 1")
    if address:
        from cak_jax.sweep import hosts

        try:
            hosts.parse(address)
        except ValueError as error:
            raise ConfigError(f"--coordinator={address}: {error}") from None
    if count > 1 and not is_sweep:
        raise ConfigError(
            "--processes: only a sweep is made by several; --config.train.devices "
            "shares a single run's batches between the devices of one process"
        )
    if is_sweep and command.profile:
        raise ConfigError(
            "--profile: traces a single run; give a --config without sweep"
        )


def split_config(arguments: list[str]) -> tuple[str, list[str]]:
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


def shorten(error: BaseException) -> str:
    """Return an error of the flag parser as one line."""
    text = " ".join(map(str, error.args)).replace("\\n", " ").replace("\\'", "'")
    text = " ".join(text.split()).removeprefix("flag ")
    if "Did you mean" in text:
        return f"--config: there is no field {text.strip(chr(34))}"
    return text if text.startswith("--") else f"--config.FIELD=VALUE: {text}"


def execute(command: flags.FlagValues, stops: signals.Stops) -> int:
    """Run a parsed command; print errors that a person can mend as one line each."""
    try:
        # Imported here, because --help and a wrong flag must answer at once.
        if command.compilation_cache:
            from cak_jax.training import machine

            machine.use_cache(command.compilation_cache)
        if command.processes > 1:
            from cak_jax.sweep import hosts

            hosts.join(command.coordinator, command.processes, command.process)
        if "sweep" in command.config:
            from cak_jax.sweep.run_sweep import run_sweep

            # A sweep may end at once: finished runs are on disk, others start anew.
            with stops.at_once():
                run_sweep(command.config, command.workdir)
        else:
            from cak_jax.training import run

            run.run(command.config, command.workdir, command.profile, stops)
    except OSError as error:
        return console.complain(describe_system_error(error), EXIT_FAILED)
    except UserError as error:
        return console.complain(error, error.exit_code)
    except MemoryError:
        return console.complain(OUT_OF_MEMORY, EXIT_FAILED)
    except signals.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:  # where nobody watches
        print(f"stopped; {signals.HINT}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception:
        if not stops.requested:
            raise
        # The stop was raised inside a library, which made another error of it.
        print(signals.Stopped(stops.requested), file=sys.stderr)
        return 128 + stops.requested
    return EXIT_DONE


def describe_system_error(error: OSError) -> str:
    """Return what the system refused, for which file, and what can be done."""
    fault = error.strerror or str(error)
    named = f"{error.filename}: {fault}" if error.filename else fault
    remedy = REMEDIES.get(error.errno or 0, "mend that")
    return f"{named}; {remedy} and {signals.HINT}"
