"""What a run's report says: summary, facts, commands and tables."""

import pathlib
import shlex
from typing import Any

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount
from cak_jax.evaluation import convergence, heard
from cak_jax.runtime.text import counted
from cak_jax.training import taught
from cak_jax.training.snapshot import Snapshot


def hear_command(folder: pathlib.Path, effect: Effect) -> str:
    """Return the command that applies the effect to a sound file of the reader."""
    path = shlex.quote(str(folder))
    # A modest turn where the knob is even; the gate needs more of the raw one.
    modest = min(0.5, effect.provenance.get("usable_to") or 0.5)
    knob = "--control=0.8" if effect.quality is None else f"--amount={modest:g}"
    return f"cak apply --effect={path} {knob} YOUR.wav"


def sentences(
    snapshot: Snapshot, effect: Effect, measured: dict[str, Any]
) -> list[str]:
    """Return the report's summary: what was learned, and how far it can be trusted.

    For an effect with a quality it begins with what is heard.
    """
    audit = snapshot.settings.game.audit
    change = measured["change"]
    where = "held-out" if snapshot.has_held_out else "training"
    distance = change["spectral_distance_db"][-1]
    level = change["level_change_db"][-1]
    total = amount(effect, 1.0) * float(np.sum(effect.kernel))
    direction = "adds to" if total > 0 else "takes from"
    null = measured["null_db"]
    zero = "changes nothing at all" if null is None else f"leaves {null:.0f} dBFS"
    learned = (
        f"Eleven numbers were learned in {counted(snapshot.epoch, 'epoch')} of "
        f"{counted(snapshot.steps_per_epoch, 'step')}"
    )
    verdict = " ".join(
        [
            convergence.sentence(measured, audit, snapshot.has_held_out),
            convergence.settled_sentence(measured["settled"], snapshot.epoch),
        ]
    ).rstrip()
    if convergence.heard_quality(measured) is not None:
        fitted = measured["audit"][audit]["calibrated"]
        return [
            heard.sentence(measured["heard"], snapshot.has_held_out),
            verdict,
            f"{learned}; control 0 {zero}. The {audit} audit reads "
            f"{fitted['slope']:.2f} of what is asked, R2 {fitted['r2']:.2f}.",
        ]
    return [
        f"{learned}; at control 1 the pattern {direction} the spectrogram.",
        f"On {counted(measured['clips'], f'{where} clip')} control 1 changes the "
        f"spectrum by {distance:.1f} dB on average and the level by {level:+.1f} dB "
        f"before it is matched; control 0 {zero}.",
        verdict,
    ]


def generator_sentences(
    snapshot: Snapshot, title: str, document: dict[str, Any]
) -> list[str]:
    """Return the summary of a generator that no effect file can hold."""
    audit = snapshot.settings.game.audit
    fitted = document["audit"][audit]["raw"]
    where = "held-out" if snapshot.has_held_out else "training"
    left = document["residual_at_zero"]
    level = "" if left["db"] is None else f", {left['db']:.0f} dB beside the clip"
    return [
        f"A {title} generator was trained for {counted(snapshot.epoch, 'epoch')} of "
        f"{counted(snapshot.steps_per_epoch, 'step')}.",
        f"On {counted(document['clips'], f'{where} clip')} control 0 leaves a mean "
        f"change of {left['mean']:.2g} in the normalised spectrogram{level}.",
        f"Asked for a change (the {audit} audit, raw control) it makes "
        f"{fitted['slope']:.2f} of it, R2 {fitted['r2']:.3f}, mean error "
        f"{fitted['mae']:.3f}.",
        document["note"],
    ]


def facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the run's facts for the report."""
    corpus, settings = snapshot.corpus, snapshot.settings
    threshold = settings.hparams["threshold"]
    quality, rows = snapshot.quality, []
    if quality is not None:
        rows = [
            ("Asked for", f"{heard.in_words(quality, quality.range)} at amount 1"),
            ("Quality", quality.name.replace("_", " ")),
            ("Range", f"{quality.range:.3g} {quality.unit}"),
        ]
        if quality.target is not None:
            leads_to = f"{quality.target:.3g} {quality.unit}"
            rows.append(("Full turn leads to", leads_to))
        if quality.reader is not None:
            rows.append(("Ratings", taught.sentence(quality)))
    bins, frames = settings.game.spacing
    if (bins, frames) != (1, 1):
        rows.append(("Cells apart", f"{bins} bins, {frames} frames"))
    return [
        *rows,
        ("Corpus", corpus.manifest["path_name"]),
        ("Training clips", str(len(corpus.training))),
        ("Held-out clips", str(int(corpus.held_out.sum()))),
        ("Files left out", str(len(corpus.manifest["left_out"]))),
        ("Audit", settings.game.audit),
        ("Pairing", settings.train.pairing),
        ("Epochs", f"{snapshot.epoch} of {snapshot.steps_per_epoch} steps"),
        ("Gate", f"threshold {threshold:g}, temperature {snapshot.temperature:g}"),
        ("Normalisation", f"{corpus.low:.4f} to {corpus.high:.4f}"),
    ]


def heard_tables(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is heard of an effect with a quality as two tables; else none."""
    quality = convergence.heard_quality(measured)
    if quality is None:
        return []
    found, unit = measured["heard"], quality["unit"]
    windows = quality["windows"].values()
    columns = [
        found["amount"],
        *(fitted["measured"] for fitted in windows),
        heard.quality_changes(quality),
    ]
    headings = [f"heard, frames of {size}" for size in quality["windows"]]
    along = heard.companion_rows(found)
    beside = {
        "title": "What goes with it",
        "note": "In the corpus these qualities rise and fall with the one of the knob. "
        "The training asked for them too; changes at full turn, means over clips.",
        "columns": ["", "asked for", "heard", "unit"],
        "rows": along,
    }
    return [
        {
            "title": "What is heard",
            "note": "Amount against the change of rendered sound, as a share of the "
            f"range of {quality['range']:.3g} {unit}, and in {unit}; means over clips. "
            "Equal columns would be perfect." + _way(quality),
            "columns": ["amount", *headings, f"change ({unit})"],
            "rows": [list(row) for row in zip(*columns, strict=True)],
        },
        *([beside] if along else []),
        {
            "title": "What else changes at full turn",
            "note": "Before loudness is matched: the level, and beside it the bass "
            "(below 250 Hz), the peaks, and the treble (above 4 kHz) of the quietest "
            "tenth; medians over clips. Qualities: means over clips.",
            "columns": ["", "change", "unit"],
            "rows": heard.side_rows(found),
        },
    ]


def _way(quality: dict[str, Any]) -> str:
    """Say how well clips go their own way to the target; "" without a target."""
    fits = [
        f"{way['slope']:.2f} of it at R2 {way['r2']:.2f} in frames of {window}"
        for window, fitted in quality["windows"].items()
        if (way := fitted.get("to_target"))
    ]
    if not fits:
        return ""
    return (
        " A sound that is near the target already is asked for less: of its own way "
        f"each clip goes {' and '.join(fits)}."
    )


def audit_table(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the audit's measures as a table, with those of trivial effects."""
    rows = []
    # What is heard comes first.
    audits = sorted(measured["audit"], key=lambda name: name != "heard")
    for audit in audits:
        knobs = measured["audit"][audit]
        for knob in [knob for knob in ("raw", "calibrated") if knob in knobs]:
            fitted = knobs[knob]
            names = ("slope", "intercept", "r2", "mae")
            rows.append([audit, knob, *(round(fitted[name], 4) for name in names)])
    rows.append(["always the mean", "", 0.0, 0.5, 0.0, fitted["mae_if_mean"]])
    rows.append(["always 0", "", 0.0, 0.0, fitted["r2_if_zero"], fitted["mae_if_zero"]])
    return {
        "title": "Does it apply what is asked?",
        "note": "Requested 0 to 1 in 21 steps against measured, held-out clips pooled; "
        "1, 0, 1, 0 would be perfect. Calibrated: with the gate inverted.",
        "columns": ["audit", "knob", "slope", "intercept", "R2", "MAE"],
        "rows": rows,
    }


def change_table(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the change of held-out clips at each control, as a table."""
    change = measured["change"]
    columns = ("control", "spectral_distance_db", "level_change_db")
    return {
        "title": "What it does",
        "note": "Log-spectral distance to the dry sound and change of level, means "
        "over held-out clips, before loudness is matched.",
        "columns": ["control", "distance (dB)", "level (dB)"],
        "rows": [list(row) for row in zip(*(change[c] for c in columns), strict=True)],
    }
