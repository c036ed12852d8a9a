"""What a batch of renderings tells, on the screen and as a JSON document."""

import dataclasses
import json
import os
import pathlib
import sys
from typing import Any

import cak_jax
from cak_jax.commands.apply_outputs import EARLIER_RUN, Job
from cak_jax.rendering.knob import Knob
from cak_jax.rendering.settings import RenderSettings
from cak_jax.runtime import json_file
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.errors import EXIT_FAILED
from cak_jax.runtime.text import printable

STDOUT = "-"
STATES = ("done", "failed", "skipped", "planned")
OUTCOME = (
    *("output", "format", "subtype", "sample_rate", "channels", "frames"),
    *("loudness_gain_db", "clip_gain_db", "seconds", "notes"),
)


def remark(text: str) -> None:
    """Print one line to stderr about something that is no error."""
    say(f"note: {printable(text)}", sys.stderr)


def remarks(jobs: list[Job]) -> list[str]:
    """Say how many inputs are passed over, one line for each reason."""
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


def strip(error: Exception, source) -> str:
    """Return an error's text without the file name it may begin with."""
    text = str(error) or type(error).__name__
    return text.removeprefix(f"{printable(source)}: ")


def done_line(report) -> str:
    """Return the line about a rendered file: its name, and what is to be known."""
    said = list(report.notes)
    if report.clip_gain_db:
        said.insert(0, f"{report.clip_gain_db:.2f} dB, as it would have clipped")
    if report.loudness_gain_db:
        said.insert(0, f"loudness matched by {report.loudness_gain_db:+.2f} dB")
    notes = f"  ({'; '.join(map(printable, said))})" if said else ""
    return f"{printable(report.output)}{notes}"


def planned_line(job: Job) -> str:
    """Return the line about a file that would be rendered."""
    found, frames = job.found, job.frames
    length = "length unknown"
    if frames is not None:
        length = f"{frames / max(found.sample_rate, 1):.3f} s"
    channels = f"{found.channels} channel{'s' if found.channels > 1 else ''}"
    kind = f"{job.format} {job.subtype}, {channels}, {found.sample_rate} Hz, {length}"
    return f"{printable(job.source)} -> {printable(job.target)}  ({kind})"


def entry(job: Job, status: str, reason: str = "", report=None) -> dict[str, Any]:
    """Return the record of one input; what is not known is null.

    Args:
      job: the input and its output.
      status: "done", "failed", "skipped", or "planned" where nothing is rendered.
      reason: why it failed or was skipped.
      report: what `render_file` returned.
    """
    record = {"input": as_text(job.source), "status": status, "reason": reason or None}
    record |= dict.fromkeys(OUTCOME)
    if status == "planned":
        record["output"] = as_text(job.target)
        record["format"], record["subtype"] = job.format, job.subtype
        record["sample_rate"] = job.found.sample_rate
        record["channels"], record["frames"] = job.found.channels, job.frames
    if report is not None:
        record |= dataclasses.asdict(report)
        record["output"] = as_text(report.output)
    return record


def document(
    effect: str,
    knob: Knob,
    settings: RenderSettings,
    dither: str,
    records: list[dict[str, Any]],
    dry_run: bool,
) -> dict[str, Any]:
    """Return the JSON document about a batch.

    Args:
      effect: the effect's name.
      knob, settings, dither: how the batch is rendered.
      records: one `entry` per input.
      dry_run: nothing was rendered.
    """
    states = [record["status"] for record in records]
    return {
        "cak_jax": cak_jax.__version__,
        "effect": effect,
        "settings": knob.document() | dataclasses.asdict(settings) | {"dither": dither},
        "dry_run": dry_run,
        "counts": {state: states.count(state) for state in STATES},
        "inputs": records,
    }


def as_text(path: pathlib.Path) -> str:
    """Return a path as it is, but escaped where it is no Unicode."""
    name = os.fspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        return printable(name)
    return name


def publish(document: dict, given: str | None, target: pathlib.Path | None) -> bool:
    """Write the document where `--json` says; say whether that went well."""
    if given == STDOUT:
        say(json.dumps(json_file.finite(document), indent=1))
    if target is None:
        return True
    try:
        json_file.write(target, document)
    except OSError as error:
        complain(f"--json={given}: cannot be written ({error.strerror})", EXIT_FAILED)
        return False
    return True
