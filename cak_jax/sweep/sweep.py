"""A sweep from its configuration to a folder with a table of all its runs.

Every run is a run: what a single training with its values would learn, in a folder of
its own. They are trained in waves (`sweep_group`); a wave that is through is on disk,
so that a sweep that was stopped goes on with the next one.
"""

import contextlib
import pathlib

import jax

from cak_jax import __version__
from cak_jax.report import style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.sweep import hosts, results, sweep_report
from cak_jax.sweep.group import Group, labels_of, train_group
from cak_jax.sweep.planned_runs import (
    PlannedRun,
    SweepSettings,
    groups,
    plan_runs,
    sweep_settings,
)
from cak_jax.training import config as config_lib
from cak_jax.training.run import versions
from cak_jax.training.run_folder import RunError, check_folder, locked

WIDTHS = "runs_at_once.json"


def run_sweep(config, workdir: str) -> pathlib.Path:
    """Make the runs of a sweep that are not made yet, and write what all of them say.

    Args:
      config: with a `sweep`, as `configs/sweep.py` makes it.
      workdir: the sweep's folder; a sweep that stands there is continued.

    Returns:
      The folder.

    Raises:
      ConfigError, CorpusError, LabelError, RunError: before anything is trained.
      HostError: several processes that do not fit together.
    """
    settings = sweep_settings(config)
    planned = plan_runs(config)
    folder = pathlib.Path(workdir).expanduser()
    flat = config_lib.flatten(config)
    check_folder(folder, flat)
    _greet(config, planned)
    with locked(folder) if hosts.is_first() else contextlib.nullcontext():
        rows = results.read_rows(folder)
        hosts.wait("finished runs are known")
        if hosts.is_first():
            document = {"config": flat, "config_sha256": config_lib.digest(config)}
            json_file.write(folder / "config.json", document | versions())
        made = [run for run in planned if run.key in rows]
        if made:
            say(f"{len(made)} of {len(planned)} runs are finished already")
        make(planned, rows, settings, folder)
        hosts.wait("all runs are written")
        if hosts.is_first():
            rows = results.read_rows(folder)
            sweep_report.write_outcome(planned, rows, settings, folder, flat)
    return folder


def _greet(config, planned: list[PlannedRun]) -> None:
    if not hosts.is_first():
        return
    count, kinds = jax.device_count(), len(groups(planned))
    processes = jax.process_count()
    say(
        f"cak_jax {__version__} on {jax.default_backend()}, {count} "
        f"device{'s' if count > 1 else ''}"
        + (f" of {processes} processes" if processes > 1 else "")
    )
    say(
        f"sweep: {len(planned)} runs, {kinds} program{'s' if kinds > 1 else ''} "
        "(runs of equal shapes share one)"
    )
    if config.output.figures and not style.available():
        say('no figures: matplotlib is missing; install the extra "plot"')


def make(
    planned: list[PlannedRun],
    rows: dict[str, dict],
    settings: SweepSettings,
    folder: pathlib.Path,
) -> None:
    """Train, measure and write the runs that have no row yet.

    Args:
      planned: all runs of the sweep.
      rows: of the finished ones, by key.
      settings: of the sweep.
      folder: of the sweep.
    """
    todo = [
        (Group([run for run in runs if run.key not in rows]), runs)
        for runs in groups(planned)
    ]
    todo = [(group, runs) for group, runs in todo if group.runs]
    # All corpora first: a mistake in the last group shows before the first is trained.
    for group, runs in todo:
        group.load()
        _check_corpora(group, runs, rows)
    total, done = len(planned), sum(run.key in rows for run in planned)
    known = _read_widths(folder)
    made_with = versions()

    def finish(run, trainer, outcome, seconds):
        nonlocal done
        whole = group.whole(run)
        row = results.write_run(
            run, trainer, outcome, seconds, settings, folder, whole.sha256, made_with
        )
        done += 1
        say(results.describe_row(row, done, total))

    for group, _ in todo:
        train_group(group, settings, known, finish)
        if hosts.is_first():
            json_file.write(folder / WIDTHS, known)


def _read_widths(folder: pathlib.Path) -> dict[str, dict]:
    """Return what was measured to be faster, so that a resume need not again."""
    try:
        return dict(json_file.read(folder / WIDTHS))
    except (OSError, ValueError):
        return {}


def _check_corpora(group: Group, runs: list[PlannedRun], rows: dict[str, dict]) -> None:
    """Refuse to continue on other sounds than finished runs were trained on."""
    for run in runs:
        row, whole = rows.get(run.key), group.corpora.get(labels_of(run))
        if row and whole is not None and row["whole_corpus_sha256"] != whole.sha256:
            raise RunError(
                f"--workdir: run {row['run']} was trained on another corpus (sha256 "
                f"{row['whole_corpus_sha256'][:12]}, now {whole.sha256[:12]}); name "
                "another --workdir to start anew"
            )
