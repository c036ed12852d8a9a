"""Train an effect on a folder of sounds.

    cak train FOLDER
    cak train FOLDER --workdir=runs/mine --config.corpus.labels=attack

Prepares the sounds, plays the audit game, evaluates on clips that were held out and
leaves a run folder with the effect, its measures, figures, previews and a report. The
run folder is runs/NAME, after the folder of sounds, or --workdir. The same command
resumes a run. A configuration with a sweep trains all of its runs.
"""

import errno
import sys

from absl import flags

from cak_jax.commands.train_flags import parse, usage
from cak_jax.runtime import console, signals
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    UserError,
)

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

    0 done, 1 the run failed, 2 unusable arguments; 129, 130 and 143 stopped by SIGHUP,
    by Ctrl-C and by SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    console.make_usable()
    if {"--help", "-h"} & set(arguments):
        print(f"{usage()}\n\n{__doc__}".rstrip())
        return EXIT_DONE
    try:
        command = parse(arguments)
    except UserError as error:
        return console.complain(error, error.exit_code)
    with signals.watch() as stops:
        return execute(command, stops)


def execute(command: flags.FlagValues, stops: signals.Stops) -> int:
    """Run a parsed command; print errors that a person can mend as one line each."""
    try:
        # Imported here, because --help and a wrong flag must answer at once.
        if command.compilation_cache:
            from cak_jax.training import machine

            machine.use_cache(command.compilation_cache)
        if "sweep" in command.config:
            from cak_jax.sweep import cluster
            from cak_jax.sweep.run_sweep import run_sweep

            address = None
            if command.cluster:
                address = cluster.parse(command.cluster, command.cluster_key)
            # A sweep may end at once: finished runs are on disk, others start anew.
            with stops.at_once():
                run_sweep(
                    command.config, command.workdir, address, command.cluster_device
                )
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
