"""Render sound files through an effect: files and folders in, files out.

Sample rate, channels, length, bit depth and metadata stay as they are; a lossy or
unwritable format becomes 24-bit WAV. At control 0 the default mode gives the samples
back bit for bit. Exit codes: 0 done, 1 some inputs failed (the rest is done), 2
unusable arguments (nothing was written), 130 stopped by Ctrl-C.
"""

import argparse

from cak_jax.audio.sound_file import guarded
from cak_jax.commands import apply_inputs, apply_outputs, apply_report, render_flags
from cak_jax.commands.apply_report import remark, strip
from cak_jax.effect.schema import EffectError
from cak_jax.rendering.settings import LOUDNESS, MODES
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNUSABLE,
)
from cak_jax.runtime.files import folder_made
from cak_jax.runtime.progress import Bars

ALL_SKIPPED = "all inputs are skipped; name files, or an --output elsewhere"
STAGE = "rendering, seconds of sound"


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `python -m cak_jax.apply`."""
    parser = argparse.ArgumentParser(
        prog="python -m cak_jax.apply", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="sound files, folders (searched in depth), quoted patterns ('**/*.wav')",
    )
    render_flags.add_effect(parser)
    render_flags.add_moving(parser, render_flags.add_knob(parser))
    render_flags.add_shape(parser)
    _add_sound(parser)
    _add_files(parser)
    return parser


def _add_sound(parser: argparse.ArgumentParser) -> None:
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


def _add_files(parser: argparse.ArgumentParser) -> None:
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = make_parser().parse_args(arguments)
    try:
        with Bars() as bars, guarded():
            return run(options, bars)
    except KeyboardInterrupt:
        return complain("stopped", EXIT_INTERRUPTED)


def run(options, bars: Bars) -> int:
    """Plan and do what a parsed command line says; return the exit code."""
    try:
        effect, notes = render_flags.load(options)
        settings = make_settings(options)
        sources = apply_inputs.collect(options.inputs)
        jobs = apply_outputs.plan(sources, make_wishes(effect, options), bars)
        target = apply_report.check_target(options, jobs)
    except (EffectError, ValueError, OSError) as error:
        bars.clear()
        return complain(error, EXIT_UNUSABLE)
    bars.clear()
    for line in (*notes, *apply_report.remarks(jobs)):
        remark(line)
    if not apply_outputs.is_work(sources, jobs):
        return nothing_to_do(jobs)
    records, code = work(effect, settings, jobs, options, bars)
    bars.clear()
    document = apply_report.document(effect.name, settings, records, options.dry_run)
    written = apply_report.publish(document, options.json, target)
    return code if written else max(code, EXIT_FAILED)


def make_settings(options):
    """Return the `FileSettings` of a command line; `EffectError` for a wrong knob."""
    from cak_jax.rendering.file import FileSettings
    from cak_jax.rendering.settings import RenderSettings, check_amount, check_control

    knob, calibrated = render_flags.source(options)
    if isinstance(knob, float):
        knob = check_amount(knob) if calibrated else check_control(knob)
    sound = RenderSettings(
        mode=options.mode,
        loudness=options.loudness,
        **render_flags.shape(options),
    )
    if sound.mode == "published" and not isinstance(knob, float):
        raise EffectError("--mode=published: knows one --control for the whole sound")
    return FileSettings(knob, calibrated, sound, options.dither)


def make_wishes(effect, options) -> apply_outputs.Wishes:
    """Return what a command line says about outputs."""
    return apply_outputs.Wishes(
        effect.name,
        render_flags.knob_name(options),
        options.output,
        options.keep_names,
        options.overwrite,
    )


def nothing_to_do(jobs: list[apply_outputs.Job]) -> int:
    """Say of every input why there is nothing to render; return the exit code."""
    faults = [f"{job.source}: {job.fault}" for job in jobs if job.fault]
    for line in faults or [ALL_SKIPPED]:
        complain(line, EXIT_UNUSABLE)
    return EXIT_UNUSABLE


def work(effect, settings, jobs, options, bars: Bars) -> tuple[list[dict], int]:
    """Go through the jobs, past those that fail.

    Returns:
      One record per job for the JSON document, and the exit code.
    """
    records, done = [], 0.0
    total = sum(job.seconds for job in jobs)
    for job in jobs:

        def advance(seconds: float, done=done, most=job.seconds) -> None:
            # Of two passes: half the way each.
            bars(round(done + min(seconds / 2, most)), max(1, round(total)), STAGE)

        if not options.dry_run:
            advance(0.0)
        try:
            records.append(attempt(effect, settings, job, options, bars, advance))
        except KeyboardInterrupt:
            bars.clear()
            complain(f"{job.source}: stopped, not written", EXIT_INTERRUPTED)
            rest = jobs[len(records) :]
            reason = "stopped before it was written"
            records += [apply_report.entry(job, "skipped", reason) for job in rest]
            return records, EXIT_INTERRUPTED
        done += job.seconds
    failed = any(record["status"] == "failed" for record in records)
    return records, EXIT_FAILED if failed else EXIT_DONE


def attempt(
    effect, settings, job: apply_outputs.Job, options, bars: Bars, advance
) -> dict:
    """Do one job, print its line and return its record.

    Args:
      effect, settings, job, options: what to do.
      bars: taken off the line before something is printed.
      advance: called with the seconds of sound gone through, of two passes.
    """
    from jax.errors import JaxRuntimeError

    from cak_jax.rendering.file import render_file

    report, fault, line = None, job.fault, ""
    if job.skipped:
        return apply_report.entry(job, "skipped", job.skipped)
    if not fault and options.dry_run:
        line = apply_report.planned_line(job)
    elif not fault:
        plan = (job.source, job.target, job.format, job.subtype, settings)
        try:
            with folder_made(job.target.parent):
                report = render_file(
                    effect, *plan, overwrite=options.overwrite, progress=advance
                )
            line = apply_report.done_line(report)
        # The latter two when memory runs out.
        except (ValueError, OSError, MemoryError, JaxRuntimeError) as error:
            fault = strip(error, job.source)
    bars.clear()
    if fault:
        complain(f"{job.source}: {fault}", EXIT_FAILED)
        return apply_report.entry(job, "failed", fault)
    if options.json != apply_report.STDOUT:
        say(line)
    return apply_report.entry(job, "planned" if report is None else "done", "", report)
