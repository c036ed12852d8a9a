"""The report of `cak apply`: lines for the terminal and one JSON document."""

import dataclasses
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any

import cak_jax
from cak_jax.commands.apply_outputs import EARLIER_RUN, Job, Output
from cak_jax.commands.render_flags import RenderRequest
from cak_jax.runtime.console import say
from cak_jax.runtime.text import printable

if TYPE_CHECKING:  # because rendering.file loads JAX
    from cak_jax.rendering.file import Report

STDOUT = "-"
STATES = ("done", "failed", "skipped", "planned")
OUTCOME = (
    *("output", "format", "subtype", "sample_rate", "channels", "frames"),
    *("loudness_gain_db", "clip_gain_db", "seconds", "notes"),
)


def remark(text: str) -> None:
    """Print a note, one line, to stderr."""
    say(f"note: {printable(text)}", sys.stderr)


def remarks(jobs: list[Job]) -> list[str]:
    """Return one line per reason with the number of inputs that are skipped."""
    earlier = sum(job.skipped == EARLIER_RUN for job in jobs)
    twice = sum(bool(job.skipped) for job in jobs) - earlier
    lines = []
    if earlier:
        lines.append(
            f"{earlier} file{'s' * (earlier > 1)} skipped, written by earlier runs as "
            "the names say (...__EFFECT_c080); name such a file to render it"
        )
    if twice:
        lines.append(f"{twice} input{'s' * (twice > 1)} given twice, rendered once")
    return lines


def done_line(report: "Report") -> str:
    """Return the line about a rendered file: its name and notes."""
    notes = list(report.notes)
    if report.clip_gain_db:
        notes.insert(0, f"{report.clip_gain_db:.2f} dB, as it would have clipped")
    if report.loudness_gain_db:
        notes.insert(0, f"loudness matched by {report.loudness_gain_db:+.2f} dB")
    text = f"  ({'; '.join(map(printable, notes))})" if notes else ""
    return f"{printable(report.output)}{text}"


def planned_line(source: pathlib.Path, output: Output) -> str:
    """Return the line about a file that would be rendered."""
    header = output.header
    length = "length unknown" if output.frames is None else f"{output.seconds:.3f} s"
    channels = f"{header.channels} channel{'s' if header.channels > 1 else ''}"
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


def document(
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
