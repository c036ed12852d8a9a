"""The end of a run whose generator no effect file can hold.

It gets an evaluation, figures and a report, but no effect and no previews.
"""

import pathlib
from typing import Any

import numpy as np

from cak_jax.evaluation import agreement, generator_audit
from cak_jax.model.generators.table import GENERATORS
from cak_jax.runtime import json_file
from cak_jax.training import run_report
from cak_jax.training.metrics_log import MetricsWriter
from cak_jax.training.run_corpus import evaluation_rows
from cak_jax.training.snapshot import Snapshot

NO_EFFECT = (
    "There is no effect file and no preview: a {title} generator is more than the "
    "eleven numbers of an effect can hold."
)


def title_of(snapshot: Snapshot) -> str:
    """Return the generator's name for people."""
    return GENERATORS[snapshot.settings.game.generator].TITLE


def applied(snapshot: Snapshot) -> generator_audit.Applied:
    """Return the run's generator, with the gate of the last epoch."""
    return generator_audit.Applied(
        snapshot.settings.game.generator,
        snapshot.params,
        snapshot.settings.hparams["threshold"],
        snapshot.temperature,
        snapshot.settings.spectrogram,
        snapshot.normalization,
    )


def measure_clips(snapshot: Snapshot) -> dict[str, Any]:
    """Apply the generator at 21 controls to every evaluation clip and measure it."""
    rows, clips = evaluation_rows(snapshot.corpus)
    generator = applied(snapshot)
    return generator_audit.measure_clips(
        generator, rows, len(clips), agreement.CONTROLS
    )


def held_out_losses(snapshot: Snapshot) -> dict[str, float]:
    """Return violation and reconstruction; {} for a single clip, which has no pair."""
    rows, clips = evaluation_rows(snapshot.corpus)
    if len(clips) < 2:
        return {}
    labels = snapshot.corpus.labels[clips]
    return generator_audit.held_out_losses(
        applied(snapshot), rows, labels, snapshot.settings.game
    )


def evaluate_epoch(snapshot: Snapshot) -> dict[str, float | None]:
    """Measure losses, audit and the change at control 0 during training."""
    measured = measure_clips(snapshot)
    curve = measured["audit"][snapshot.settings.game.audit]
    zero = generator_audit.residual_at_zero(measured)["mean"]
    return held_out_record(snapshot, curve) | {"residual_at_zero": zero}


def held_out_record(snapshot: Snapshot, curve: np.ndarray) -> dict[str, float | None]:
    """Return the losses, and the fit of the audit's curve `[clip, control]`."""
    fitted = agreement.fit(agreement.CONTROLS, curve)
    return {
        **held_out_losses(snapshot),
        **{f"audit_{name}": fitted[name] for name in ("slope", "r2", "mae")},
    }


def finish(snapshot: Snapshot, log: MetricsWriter, folder: pathlib.Path) -> list[str]:
    """Write `evaluation.json`, `figures/` and `report.html`.

    Args:
      snapshot: of the finished run.
      log: the run's metrics.
      folder: the run folder.

    Returns:
      The run's summary, one sentence or two each.
    """
    measured = measure_clips(snapshot)
    document = {
        "generator": snapshot.settings.game.generator,
        "note": NO_EFFECT.format(title=title_of(snapshot)),
        "clips": len(snapshot.corpus.evaluation),
        "audit": {
            audit: {"raw": agreement.fit(agreement.CONTROLS, curve)}
            for audit, curve in measured["audit"].items()
        },
        "held_out": held_out_losses(snapshot),
        "residual_at_zero": generator_audit.residual_at_zero(measured),
    }
    json_file.write(folder / "evaluation.json", document)
    summary = sentences(snapshot, document, folder)
    curve = measured["audit"][snapshot.settings.game.audit]
    run_report.write_page(
        snapshot,
        log,
        folder,
        lambda: draw_audit(curve),
        title=f"{snapshot.settings.name}: a {title_of(snapshot)} generator",
        summary=summary,
        facts=[("Generator", title_of(snapshot)), *run_report.facts(snapshot)],
        tables=[run_report.audit_table(document)],
    )
    return summary


def sentences(
    snapshot: Snapshot, document: dict[str, Any], folder: pathlib.Path
) -> list[str]:
    """Return the summary: what was trained, how well it meets the audit, the report."""
    audit = snapshot.settings.game.audit
    fitted = document["audit"][audit]["raw"]
    where = "held-out" if snapshot.has_held_out else "training"
    left = document["residual_at_zero"]
    level = "" if left["db"] is None else f", {left['db']:.0f} dB beside the clip"
    return [
        f"A {title_of(snapshot)} generator was trained for {snapshot.epoch} epochs of "
        f"{snapshot.steps_per_epoch} steps.",
        f"On {document['clips']} {where} clips control 0 leaves a mean change of "
        f"{left['mean']:.2g} in the normalised spectrogram{level}.",
        f"Asked for a change (the {audit} audit, raw control) it makes "
        f"{fitted['slope']:.2f} of it, R2 {fitted['r2']:.3f}, mean error "
        f"{fitted['mae']:.3f}.",
        document["note"],
        f"Open {folder / 'report.html'} to see it.",
    ]


def draw_audit(curve: np.ndarray) -> run_report.Figures:
    """Draw requested against measured control, `[clip, control]`."""
    from cak_jax.report import run_figures

    figure = run_figures.audit(agreement.CONTROLS, curve)
    caption = "Each line is a held-out clip."
    return {"audit": (figure, "Requested and measured", caption)}
