"""Render sound files through an effect: files and folders in, files out.

Sample rate, channels, length, bit depth and metadata stay as they are; a lossy or
unwritable format becomes 24-bit WAV. At control 0 the default mode returns the samples
bit for bit. Exit codes: 0 done, 1 some inputs failed (the rest is done), 2
unusable arguments (nothing was written), 130 stopped by Ctrl-C.
"""

import argparse
import functools
import json
import pathlib
from collections.abc import Callable
from typing import Any

from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.commands import apply_inputs, apply_outputs, apply_report, render_flags
from cak_jax.commands.apply_outputs import Job
from cak_jax.commands.apply_report import remark
from cak_jax.commands.cli import new_parser, run_command
from cak_jax.commands.output_document import check_output
from cak_jax.commands.render_flags import RenderRequest
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import LOUDNESS, MODES
from cak_jax.runtime import json_file
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
    InputError,
)
from cak_jax.runtime.files import folder_made
from cak_jax.runtime.progress import Bars
from cak_jax.runtime.signals import noted_interrupt
from cak_jax.runtime.text import printable

ALL_SKIPPED = "all inputs are skipped; name files, or an --output elsewhere"
STAGE = "rendering, seconds of sound"


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak apply`."""
    parser = new_parser("apply", __doc__)
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="sound files, folders (searched in depth), quoted patterns ('**/*.wav')",
    )
    render_flags.add_effect(parser)
    render_flags.add_moving(parser, render_flags.add_knob(parser))
    render_flags.add_shape(parser)
    parser.add_argument(
        "--mode",
        default="residual",
        choices=MODES,
        help="published: what the published application does, for comparison",
    )
    parser.add_argument(
        "--loudness",
        default="rms",
        choices=LOUDNESS,
        help="match the input's loudness by RMS or as heard (ITU-R BS.1770), or do not",
    )
    parser.add_argument(
        "--dither",
        default="tpdf",
        choices=("tpdf", "none"),
        help="noise of one step that keeps rounding to integers from distorting",
    )
    parser.add_argument(
        "--output",
        help="file (one input) or folder (made if missing, mirrors a folder given as "
        "input); default: beside each input",
    )
    parser.add_argument(
        "--keep-names",
        action="store_true",
        help="outputs are called as their inputs; in an --output folder elsewhere",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace outputs that exist"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write a report there; - for standard output"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    return run_command(make_parser(), arguments, run)


def run(options: argparse.Namespace) -> int:
    """Render all inputs and report; return the exit code."""
    rendering = RenderRequest.parse(
        options, mode=options.mode, loudness=options.loudness
    )
    if options.mode == "published" and not rendering.knob.is_constant:
        raise EffectError("--mode=published: knows one --control for the whole sound")
    with noted_interrupt() as check_interrupt, Bars() as bars, guarded():
        effect, notes = rendering.load()
        sources = apply_inputs.collect(options.inputs)
        label = apply_outputs.label(effect.name, rendering.knob.short_name)
        jobs = apply_outputs.plan(sources, label, options, bars)
        target = report_file(options, jobs)
        for line in (*notes, *apply_report.remarks(jobs)):
            remark(line)
        if not apply_outputs.is_work(sources, jobs):
            faults = [f"{job.source}: {job.fault}" for job in jobs if job.fault]
            for line in faults or [ALL_SKIPPED]:
                complain(line, EXIT_UNUSABLE)
            return EXIT_UNUSABLE
        do = functools.partial(attempt, effect, rendering, options)
        records, code = work(do, jobs, bars, check_interrupt)
    document = apply_report.document(
        effect.name, rendering, options.dither, records, options.dry_run
    )
    if options.json == apply_report.STDOUT:
        say(json.dumps(json_file.finite(document), indent=1))
    if target is not None:
        try:
            json_file.write(target, document)
        except OSError as error:
            fault = f"cannot be written ({error.strerror})"
            return max(code, complain(f"--json={options.json}: {fault}", EXIT_FAILED))
    return code


def report_file(options: argparse.Namespace, jobs: list[Job]) -> pathlib.Path | None:
    """Return the file of the report, None for none; refuse it before the work."""
    if options.json in (None, apply_report.STDOUT):
        return None
    if options.dry_run:
        raise InputError(
            f"--json={printable(options.json)}: --dry-run writes no file; take --json=-"
        )
    effects = [pathlib.Path(name) for name in options.effect]
    used = [*effects, *(effect / "effect.json" for effect in effects)]
    used += [pathlib.Path(options.curve)] if options.curve is not None else []
    used += [job.source for job in jobs]
    used += [job.output.path for job in jobs if job.output is not None]
    return check_output("--json", options.json, used, options.overwrite)


def work(
    do: Callable[[Job, Callable[[float], None]], dict[str, Any]],
    jobs: list[Job],
    bars: Bars,
    check_interrupt: Callable[[], None],
) -> tuple[list[dict[str, Any]], int]:
    """Do all jobs by `attempt`, also after one that fails.

    Returns:
      One record per job for the JSON document, and the exit code.
    """
    records: list[dict[str, Any]] = []
    done, total = 0.0, sum(job.seconds for job in jobs)
    for job in jobs:

        def advance(
            seconds: float, done: float = done, most: float = job.seconds
        ) -> None:
            check_interrupt()
            # Each of the two passes is half of the way.
            bars(round(done + min(seconds / 2, most)), max(1, round(total)), STAGE)

        try:
            records.append(do(job, advance))
        except KeyboardInterrupt:
            complain(f"{job.source}: stopped, not written", EXIT_INTERRUPTED)
            rest = jobs[len(records) :]
            reason = "stopped before it was written"
            records += [apply_report.entry(job, "skipped", reason) for job in rest]
            return records, EXIT_INTERRUPTED
        done += job.seconds
    failed = any(record["status"] == "failed" for record in records)
    return records, EXIT_FAILED if failed else EXIT_DONE


def attempt(
    effect: Effect,
    rendering: RenderRequest,
    options: argparse.Namespace,
    job: Job,
    advance: Callable[[float], None],
) -> dict[str, Any]:
    """Do one job, print its line and return its record.

    `advance` is called with the seconds of sound done so far, counted over two passes.
    """
    from jax.errors import JaxRuntimeError

    from cak_jax.rendering.file import render_file

    if job.skipped:
        return apply_report.entry(job, "skipped", job.skipped)
    report, output, fault, line = None, job.output, job.fault, ""
    if output is not None and options.dry_run:
        line = apply_report.planned_line(job.source, output)
    elif output is not None:
        try:
            advance(0.0)
            with folder_made(output.path.parent):
                report = render_file(
                    effect,
                    job.source,
                    output.path,
                    output.format,
                    output.subtype,
                    rendering.knob,
                    rendering.settings,
                    dither=options.dither,
                    overwrite=options.overwrite,
                    progress=advance,
                )
            line = apply_report.done_line(report)
        # ValueError, because a fault on one file must not cost the rest of a batch;
        # MemoryError and JaxRuntimeError, because memory may run out.
        except (ValueError, OSError, MemoryError, JaxRuntimeError) as error:
            text = str(error) or type(error).__name__
            fault = text.removeprefix(f"{printable(job.source)}: ")
    if fault:
        complain(f"{job.source}: {fault}", EXIT_FAILED)
        return apply_report.entry(job, "failed", fault)
    if options.json != apply_report.STDOUT:
        say(line)
    return apply_report.entry(job, "planned" if report is None else "done", "", report)
