"""Render sound files through an effect: files and folders in, files out.

Sample rate, channels, length, bit depth and metadata stay as they are; a lossy or
unwritable format becomes 24-bit WAV. At control 0 the default mode gives the samples
back bit for bit. Exit codes: 0 done, 1 some inputs failed (the rest is done), 2
unusable arguments (nothing was written), 130 stopped by Ctrl-C.
"""

import argparse

from cak_jax import apply_plan, apply_report, inputs
from cak_jax.apply_report import complain, remark, say, strip
from cak_jax.files import folder_made
from cak_jax.progress import Bars

EXIT_DONE, EXIT_SOME_FAILED, EXIT_UNUSABLE, EXIT_INTERRUPTED = 0, 1, 2, 130
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
    parser.add_argument(
        "--effect",
        required=True,
        help="an effect.json, a run folder, or a name that `cak effects` lists",
    )
    knob = parser.add_mutually_exclusive_group(required=True)
    knob.add_argument("--control", type=float, help="the raw knob, 0 (identity) to 10")
    knob.add_argument(
        "--amount",
        type=float,
        help="the knob with the gate inverted, 0 to 1: equal turns, equal change",
    )
    _add_sound(parser)
    _add_files(parser)
    return parser


def _add_sound(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode",
        default="residual",
        choices=("residual", "published"),
        help="published: what the published application does, for comparison",
    )
    parser.add_argument(
        "--channels",
        default="linked",
        choices=("linked", "independent"),
        help="one gain map for all channels (keeps the image), or one each",
    )
    parser.add_argument(
        "--loudness",
        default="rms",
        choices=("rms", "none"),
        help="match the input's loudness, or do not",
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
        with Bars() as bars:
            return run(options, bars)
    except KeyboardInterrupt:
        return complain("stopped", EXIT_INTERRUPTED)


def run(options, bars: Bars) -> int:
    """Plan and do what a parsed command line says; return the exit code."""
    # After parsing, so that --help and a wrong flag answer at once.
    from cak_jax.effect import EffectError, load_effect

    try:
        effect = load_effect(options.effect)
        settings = make_settings(effect, options)
        sources = inputs.collect(options.inputs)
        jobs = apply_plan.plan(sources, make_wishes(effect, settings, options), bars)
        target = apply_report.check_target(options, jobs)
    except (EffectError, ValueError, OSError) as error:
        bars.clear()
        return complain(error, EXIT_UNUSABLE)
    bars.clear()
    for line in apply_report.remarks(jobs):
        remark(line)
    if not apply_plan.is_work(sources, jobs):
        return nothing_to_do(jobs)
    records, code = work(effect, settings, jobs, options, bars)
    bars.clear()
    document = apply_report.document(effect.name, settings, records, options.dry_run)
    written = apply_report.publish(document, options.json, target)
    return code if written else max(code, EXIT_SOME_FAILED)


def make_settings(effect, options):
    """Return the `FileSettings` of a command line; `EffectError` for a wrong knob."""
    from cak_jax import render
    from cak_jax.effect import calibrate
    from cak_jax.render_file import FileSettings

    control = options.control
    if options.amount is not None:
        control = calibrate(effect, options.amount)
    return FileSettings(
        render.check_control(control),
        options.amount,
        options.mode,
        options.channels,
        options.loudness,
        options.dither,
    )


def make_wishes(effect, settings, options) -> apply_plan.Wishes:
    """Return what a command line says about outputs."""
    return apply_plan.Wishes(
        effect.name,
        knob_name(settings),
        options.output,
        options.keep_names,
        options.overwrite,
    )


def knob_name(settings) -> str:
    """Return how the knob stands, for file names: `c080`, or `a080` for an amount."""
    if settings.amount is not None:
        return f"a{round(settings.amount * 100):03d}"
    return f"c{round(settings.control * 100):03d}"


def nothing_to_do(jobs: list[apply_plan.Job]) -> int:
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
        if not options.dry_run:
            bars(round(done), max(1, round(total)), STAGE)
        try:
            records.append(attempt(effect, settings, job, options, bars))
        except KeyboardInterrupt:
            bars.clear()
            complain(f"{job.source}: stopped, not written", EXIT_INTERRUPTED)
            rest = jobs[len(records) :]
            reason = "stopped before it was written"
            records += [apply_report.entry(job, "skipped", reason) for job in rest]
            return records, EXIT_INTERRUPTED
        done += job.seconds
    failed = any(record["status"] == "failed" for record in records)
    return records, EXIT_SOME_FAILED if failed else EXIT_DONE


def attempt(effect, settings, job: apply_plan.Job, options, bars: Bars) -> dict:
    """Do one job, print its line and return its record."""
    from jax.errors import JaxRuntimeError

    from cak_jax.render_file import render_file

    report, fault, line = None, job.fault, ""
    if job.skipped:
        return apply_report.entry(job, "skipped", job.skipped)
    if not fault and options.dry_run:
        line = apply_report.planned_line(job)
    elif not fault:
        plan = (job.source, job.target, job.format, job.subtype, settings)
        try:
            with folder_made(job.target.parent):
                report = render_file(effect, *plan, overwrite=options.overwrite)
            line = apply_report.done_line(report)
        # The latter two when memory runs out.
        except (ValueError, OSError, MemoryError, JaxRuntimeError) as error:
            fault = strip(error, job.source)
    bars.clear()
    if fault:
        complain(f"{job.source}: {fault}", EXIT_SOME_FAILED)
        return apply_report.entry(job, "failed", fault)
    if options.json != apply_report.STDOUT:
        say(line)
    return apply_report.entry(job, "planned" if report is None else "done", "", report)


if __name__ == "__main__":
    from cak_jax.main import leave

    leave(main())
