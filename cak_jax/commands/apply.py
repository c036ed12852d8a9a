"""Render sound files through an effect: files and folders in, files out.

Sample rate, channels, length, bit depth and metadata stay as they are; a lossy or
unwritable format becomes 24-bit WAV. At control 0 the default mode returns the samples
bit for bit. Exit codes: 0 done, 1 some inputs failed (the rest is done), 2
unusable arguments (nothing was written), 130 stopped by Ctrl-C.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cak_jax
from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.commands import (
    apply_inputs,
    apply_outputs,
    effects,
    output_flags,
    render_flags,
)
from cak_jax.commands.apply_names import EARLIER_RUN, PATTERN, Naming
from cak_jax.commands.apply_outputs import EXISTS, Job, Output
from cak_jax.commands.cli import (
    check_output,
    code_of,
    new_parser,
    remark,
    run_command,
)
from cak_jax.commands.render_flags import RenderRequest
from cak_jax.commands.standard_streams import through_files
from cak_jax.effect.effect import Effect
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.knob import Aim, Knob
from cak_jax.rendering.settings import CEILING_DB, MODES, RenderSettings
from cak_jax.runtime import json_file, signals
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNUSABLE,
    InputError,
)
from cak_jax.runtime.files import folder_made
from cak_jax.runtime.progress import Bars
from cak_jax.runtime.text import counted, printable

if TYPE_CHECKING:  # because it loads JAX
    from cak_jax.rendering.file import Report

STDOUT = "-"
STATES = ("done", "failed", "skipped", "planned")
OUTCOME = (
    *("output", "format", "subtype", "sample_rate", "channels", "frames"),
    *("loudness_gain_db", "ceiling_gain_db", "clip_gain_db", "seconds", "aim", "notes"),
)
ALL_SKIPPED = "all inputs are skipped; name files, or an --output elsewhere"
STAGE = "rendering, seconds of sound"


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `cak apply`."""
    parser = new_parser("apply", __doc__)
    parser.usage = "cak apply --effect=EFFECT --amount=NUMBER [FLAGS] IN [IN ...]"
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="sound files, folders (searched in depth), quoted patterns ('**/*.wav'); "
        "- for standard input",
    )
    render_flags.add_effect(parser)
    knob = render_flags.add_knob(parser)
    render_flags.add_aim(knob)
    render_flags.add_moving(parser, knob)
    render_flags.add_shape(parser)
    parser.add_argument(
        "--mode",
        default="residual",
        choices=MODES,
        help="published: what the published application does, for comparison",
    )
    render_flags.add_loudness(parser)
    render_flags.add_peaks(parser)
    parser.add_argument(
        "--dither",
        default="tpdf",
        choices=("tpdf", "none"),
        help="noise of one step that keeps rounding to integers from distorting",
    )
    parser.add_argument(
        "--output",
        help="file (one input) or folder (made if missing, mirrors a folder given as "
        "input); - for standard output; default: beside each input",
    )
    output_flags.add(parser)
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
    """Render what the options name, files or `-`; return the exit code."""
    if not options.effect:
        return effects.choose("apply", options.inputs)
    output_flags.check(options)
    with through_files(options):
        return render(options)


def render(options: argparse.Namespace) -> int:
    """Render all inputs and report; return the exit code."""
    rendering = RenderRequest.parse(options, mode=options.mode, peaks=options.peaks)
    knob = rendering.knob
    if options.mode == "published" and not (
        isinstance(knob, Knob) and knob.is_constant
    ):
        raise EffectError("--mode=published: knows one --control for the whole sound")
    with signals.noted() as check, Bars() as bars, guarded():
        effect, notes = rendering.load()
        if isinstance(knob, Aim):
            check_aim(knob, effect, rendering.settings)
        sources = apply_inputs.collect(options.inputs)
        naming = Naming(effect.name, knob.short_name, options.name or PATTERN)

        def progress(done: int, total: int, stage: str) -> None:
            check()
            bars(done, total, stage)

        jobs = apply_outputs.plan(sources, naming, options, progress)
        target = report_file(options, jobs)
        for line in (*notes, *remarks(jobs)):
            remark(line)
        if not apply_outputs.is_work(sources, jobs):
            faults = [f"{job.source}: {job.fault}" for job in jobs if job.fault]
            for line in faults or [ALL_SKIPPED]:
                complain(line, EXIT_UNUSABLE)
            return EXIT_UNUSABLE
        do = functools.partial(attempt, effect, rendering, options)
        records, code = work(do, jobs, bars, check)
    document = make_document(
        effect.name, rendering, options.dither, records, options.dry_run
    )
    if options.json == STDOUT:
        say(json.dumps(json_file.finite(document), indent=1))
    if target is not None:
        try:
            json_file.write(target, document)
        except OSError as error:
            fault = f"cannot be written ({error.strerror})"
            return max(code, complain(f"--json={options.json}: {fault}", EXIT_FAILED))
    return code


def check_aim(aim: Aim, effect: Effect, settings: RenderSettings) -> None:
    """Refuse an effect or settings that an aim does not go with."""
    try:
        aim.quality_of(effect, settings)
    except EffectError as error:
        raise EffectError(f"--{error}") from None


def report_file(options: argparse.Namespace, jobs: list[Job]) -> pathlib.Path | None:
    """Return the file of the report, None for none; refuse it before the work."""
    if options.json in (None, STDOUT):
        return None
    if options.dry_run:
        raise InputError(
            f"--json={printable(options.json)}: --dry-run writes no file; take --json=-"
        )
    named = [pathlib.Path(name) for name in options.effect]
    used = [*named, *(effect / "effect.json" for effect in named)]
    used += [pathlib.Path(options.curve)] if options.curve is not None else []
    used += [job.source for job in jobs]
    used += [job.output.path for job in jobs if job.output is not None]
    return check_output("--json", options.json, used, options.overwrite)


def work(
    do: Callable[[Job, Callable[[float], None]], dict[str, Any]],
    jobs: list[Job],
    bars: Bars,
    check: Callable[[], None],
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
            check()
            # Each of the two passes is half of the way.
            bars(round(done + min(seconds / 2, most)), max(1, round(total)), STAGE)

        try:
            records.append(do(job, advance))
        except KeyboardInterrupt as stop:
            code = complain(f"{job.source}: stopped, not written", code_of(stop))
            rest = jobs[len(records) :]
            reason = "stopped before it was written"
            records += [entry(job, "skipped", reason) for job in rest]
            return records, code
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
    from cak_jax.rendering.file import render_file

    if job.skipped:
        return entry(job, "skipped", job.skipped)
    report, output, fault, line = None, job.output, job.fault, ""
    if output is not None and options.dry_run:
        line = planned_line(job.source, output)
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
                    may_be_float=output.may_be_float,
                    progress=advance,
                )
            line = done_line(report)
        # ValueError, because a fault on one file must not cost the rest of a batch;
        # MemoryError and RuntimeError, which is JAX's, because memory may run out.
        except (ValueError, OSError, MemoryError, RuntimeError) as error:
            text = str(error) or type(error).__name__
            fault = text.removeprefix(f"{printable(job.source)}: ")
    if fault:
        complain(f"{job.source}: {fault}", EXIT_FAILED)
        return entry(job, "failed", fault)
    if options.json != STDOUT:
        say(line)
    return entry(job, "planned" if report is None else "done", "", report)


def remarks(jobs: list[Job]) -> list[str]:
    """Return one line per reason with the number of inputs that are skipped."""
    earlier = sum(job.skipped == EARLIER_RUN for job in jobs)
    existing = sum(job.skipped == EXISTS for job in jobs)
    twice = sum(bool(job.skipped) for job in jobs) - earlier - existing
    lines = []
    if existing:
        lines.append(f"{counted(existing, 'file')} skipped, rendered before")
    if earlier:
        lines.append(
            f"{counted(earlier, 'file')} skipped, written by earlier runs as "
            "the names say (...__EFFECT_c080); name such a file to render it"
        )
    if twice:
        lines.append(f"{counted(twice, 'input')} given twice, rendered once")
    return lines


def done_line(report: "Report") -> str:
    """Return the line about a rendered file: its name and notes."""
    notes = list(report.notes)
    if report.clip_gain_db:
        notes.insert(0, f"{report.clip_gain_db:.2f} dB, as it would have clipped")
    if report.ceiling_gain_db:
        by = f"by up to {-report.ceiling_gain_db:.1f} dB"
        notes.insert(0, f"peaks held below {CEILING_DB:g} dBFS {by}")
    if report.loudness_gain_db:
        notes.insert(0, f"loudness matched by {report.loudness_gain_db:+.2f} dB")
    if report.aim is not None:
        notes.insert(0, str(report.aim))
    text = f"  ({'; '.join(map(printable, notes))})" if notes else ""
    return f"{printable(report.output)}{text}"


def planned_line(source: pathlib.Path, output: Output) -> str:
    """Return the line about a file that would be rendered."""
    header = output.header
    length = "length unknown" if output.frames is None else f"{output.seconds:.3f} s"
    channels = counted(header.channels, "channel")
    return (
        f"{printable(source)} -> {printable(output.path)}  ({output.format} "
        f"{output.subtype}, {channels}, {header.sample_rate} Hz, {length})"
    )


def entry(
    job: Job, status: str, reason: str = "", report: "Report | None" = None
) -> dict[str, Any]:
    """Return the record of one input, with null for what is not known.

    Args:
      job: the input and its output.
      status: one of `STATES`; "planned" where nothing is rendered.
      reason: why it failed or was skipped.
      report: from `render_file`.
    """
    record: dict[str, Any] = {
        "input": as_text(job.source),
        "status": status,
        "reason": reason or None,
        **dict.fromkeys(OUTCOME),
    }
    if status == "planned" and job.output is not None:
        output, header = job.output, job.output.header
        record |= {
            "output": as_text(output.path),
            "format": output.format,
            "subtype": output.subtype,
            "sample_rate": header.sample_rate,
            "channels": header.channels,
            "frames": output.frames,
        }
    if report is not None:
        record |= dataclasses.asdict(report) | {"output": as_text(report.output)}
    return record


def make_document(
    effect: str,
    rendering: RenderRequest,
    dither: str,
    records: list[dict[str, Any]],
    dry_run: bool,
) -> dict[str, Any]:
    """Return the JSON document about a batch: how it is rendered, and its entries."""
    states = [record["status"] for record in records]
    return {
        "cak_jax": cak_jax.__version__,
        "effect": effect,
        "settings": {
            **rendering.knob.document(),
            **dataclasses.asdict(rendering.settings),
            "dither": dither,
        },
        "dry_run": dry_run,
        "counts": {state: states.count(state) for state in STATES},
        "inputs": records,
    }


def as_text(path: pathlib.Path) -> str:
    """Return a path as text, escaped if it is not valid Unicode."""
    name = os.fspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        return printable(name)
    return name
