"""A sweep from its configuration to a folder with a table of all its runs.

Runs that share a program form a group; a group is trained in waves of as many runs as
its devices take. A wave is written to disk as soon as it is trained, so a sweep that
was stopped goes on with the next wave. Workers of a cluster make the waves in place of
this process, which then writes what they send.
"""

import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import tqdm
from ml_collections import config_dict

from cak_jax import __version__
from cak_jax.report import style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.sweep import distribute, grid, report, results
from cak_jax.sweep.cluster import Address, Cluster
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.group import Group, GroupProgram, wave_size
from cak_jax.sweep.train_together import Trained
from cak_jax.training.config import digest
from cak_jax.training.config_checks import flatten
from cak_jax.training.run import versions
from cak_jax.training.run_folder import check_folder, locked

WIDTHS = "runs_at_once.json"


def run_sweep(
    config: config_dict.ConfigDict,
    workdir: str,
    cluster: Address | None = None,
    device: str = "",
) -> pathlib.Path:
    """Make the unfinished runs of a sweep, write table and report; return the folder.

    Args:
      config: with a `sweep`, as `configs/sweep.py` makes it.
      workdir: the sweep's folder; a sweep that it holds is continued.
      cluster: whose workers make the runs; None for this process.
      device: that every worker must have, as JAX calls it; "" for any.

    Raises:
      ConfigError, CorpusError, LabelError, RunError: before anything is trained.
      ClusterError: no worker can be had, or some runs could not be made.
    """
    if cluster is not None:
        # The devices of this machine are for its workers.
        jax.config.update("jax_platforms", "cpu")
    settings = grid.sweep_settings(config)
    planned = grid.plan_runs(config)
    folder = pathlib.Path(workdir).expanduser()
    flat = flatten(config)
    check_folder(folder, flat)
    _greet(config, planned, cluster)
    with locked(folder):
        rows = results.read_rows(folder)
        document = {"config": flat, "config_sha256": digest(config)}
        json_file.write(folder / "config.json", document | versions())
        finished = [run for run in planned if run.key in rows]
        if finished:
            say(f"{len(finished)} of {len(planned)} runs are finished already")
        given_up = make(planned, rows, settings, folder, cluster, device)
        rows = results.read_rows(folder)
        report.write_outcome(planned, rows, settings, folder, flat)
    if given_up:
        distribute.refuse_given_up(given_up)
    return folder


def _greet(
    config: config_dict.ConfigDict, planned: list[PlannedRun], cluster: Address | None
) -> None:
    count, kinds = jax.device_count(), len(grid.groups(planned))
    here = f"{jax.default_backend()}, {count} device{'s' if count > 1 else ''}"
    say(f"cak_jax {__version__} on {cluster.text if cluster else here}")
    say(
        f"sweep: {len(planned)} runs, {kinds} program{'s' if kinds > 1 else ''} "
        "(runs of equal shapes share one)"
    )
    if config.output.figures and not style.available():
        say(f"no figures: matplotlib is missing; {style.INSTALL} adds it")


def make(
    planned: list[PlannedRun],
    rows: dict[str, dict[str, Any]],
    settings: SweepSettings,
    folder: pathlib.Path,
    cluster: Address | None = None,
    device: str = "",
) -> dict[str, str]:
    """Train, measure and write those planned runs whose key has no row yet.

    Returns:
      The names of the runs that workers could not make, with the reasons.
    """
    known = _read_widths(folder)
    done = sum(run.key in rows for run in planned)

    def describe(run: PlannedRun, row: dict[str, Any]) -> str:
        nonlocal done
        done += 1
        return results.describe_row(row, run.settings.game.audit, done, len(planned))

    def write(run: PlannedRun, files: dict[str, bytes]) -> str:
        return describe(run, results.write_files(folder, run.name, files))

    given_up: dict[str, str] = {}
    if all(run.key in rows for run in planned):
        return given_up
    if cluster is not None:
        # Before the corpora, so that a wrong address shows at once.
        with Cluster(cluster) as link:
            unfinished = load_groups(planned, rows)
            driver = distribute.Driver(
                link, unfinished, settings, known, write, device, bool(cluster.local)
            )
            driver.run()
        given_up = driver.given_up
        json_file.write(folder / WIDTHS, known)
    else:
        made_with = versions()
        for group in load_groups(planned, rows):
            for trained in train_group(group, settings, known):
                whole = group.whole(trained.planned).sha256
                row = results.write_run(trained, settings, folder, whole, made_with)
                say(describe(trained.planned, row))
            json_file.write(folder / WIDTHS, known)
    return given_up


def load_groups(
    planned: list[PlannedRun], rows: dict[str, dict[str, Any]]
) -> list[Group]:
    """Return the runs without a row in groups that share a program, with their corpora.

    All corpora are loaded before the first training, so that a mistake in the last
    group shows at once.
    """
    unfinished = []
    for runs in grid.groups(planned):
        group = Group([run for run in runs if run.key not in rows])
        if group.runs:
            group.load()
            group.check(runs, rows)
            unfinished.append(group)
    return unfinished


def _read_widths(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Return the widths that were decided before, so that a resume measures none."""
    try:
        return dict(json_file.read(folder / WIDTHS))
    except (OSError, ValueError):
        return {}


def train_group(
    group: Group, settings: SweepSettings, known: dict[str, dict[str, Any]]
) -> Iterator[Trained]:
    """Train a loaded group in this process, wave after wave; yield each run.

    A new width is added to `known`, by device, runs and program.
    """
    size = wave_size(settings.runs_at_once, len(group.runs))
    program = GroupProgram(group, settings, size, known, say)
    for start in range(0, len(group.runs), size):
        members = group.runs[start : start + size]
        total = sum(map(group.steps, members))
        with tqdm.tqdm(total=total, desc="training", unit="step", disable=None) as bar:
            made = program.train(members, bar.update)
        yield from made
