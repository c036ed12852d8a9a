"""What a run leaves whose generator no effect file can hold.

An evaluation, figures and a report, but no effect and no previews.
"""

import pathlib
from typing import Any

import numpy as np

from cak_jax.evaluation import evaluate, generator_audit
from cak_jax.evaluation.audit import Rows
from cak_jax.model.generators.table import GENERATORS
from cak_jax.report import run_page, style
from cak_jax.runtime import json_file
from cak_jax.training import draw_figures as figures_lib, metrics_log, run_report
from cak_jax.training.trainer import Trainer

NO_EFFECT = (
    "There is no effect file and no preview: a {title} generator is more than the "
    "eleven numbers of an effect can hold."
)


def title_of(trainer: Trainer) -> str:
    """Return the generator's name for people."""
    return GENERATORS[trainer.spec.generator].TITLE


def applied(trainer: Trainer) -> generator_audit.Applied:
    """Return the run's generator as it stands, with the gate of the last epoch."""
    return generator_audit.Applied(
        trainer.spec.generator,
        trainer.state.params,
        trainer.settings.hparams["threshold"],
        trainer.temperature,
        trainer.settings.spectrogram,
        trainer.normalization,
    )


def measure_clips(trainer: Trainer, rows: Rows) -> dict[str, Any]:
    """Apply the generator at 21 controls to every evaluation clip."""
    count = len(trainer.corpus.evaluation)
    generator = applied(trainer)
    return generator_audit.measure_clips(generator, rows, count, evaluate.CONTROLS)


def held_out_losses(trainer: Trainer, rows: Rows) -> dict[str, float]:
    """Return violation and reconstruction; nothing where there are no pairs."""
    clips = trainer.corpus.evaluation
    if len(clips) < 2:
        return {}
    labels = trainer.corpus.labels[clips]
    return generator_audit.held_out_losses(
        applied(trainer), rows, labels, trainer.settings.game
    )


def evaluate_epoch(trainer: Trainer, rows: Rows) -> dict[str, float]:
    """Measure losses, audit and what is left at control 0 during training."""
    measured = measure_clips(trainer, rows)
    curve = measured["audit"][trainer.settings.game.audit]
    fitted = evaluate.fit(evaluate.CONTROLS, curve)
    return {
        **held_out_losses(trainer, rows),
        **{f"audit_{name}": fitted[name] for name in ("slope", "r2", "mae")},
        "residual_at_zero": generator_audit.residual_at_zero(measured)["mean"],
    }


def finish(
    trainer: Trainer, rows: Rows, log: metrics_log.MetricsWriter, folder: pathlib.Path
) -> list[str]:
    """Write `evaluation.json`, `figures/` and `report.html`.

    Args:
      trainer: the finished run.
      rows: gives evaluation clip i as `[samples]` float32.
      log: the run's metrics.
      folder: the run folder.

    Returns:
      The run's last words, one sentence or two each.
    """
    measured = measure_clips(trainer, rows)
    document = {
        "generator": trainer.spec.generator,
        "note": NO_EFFECT.format(title=title_of(trainer)),
        "clips": len(trainer.corpus.evaluation),
        "audit": {
            audit: {"raw": evaluate.fit(evaluate.CONTROLS, curve)}
            for audit, curve in measured["audit"].items()
        },
        "held_out": held_out_losses(trainer, rows),
        "residual_at_zero": generator_audit.residual_at_zero(measured),
    }
    json_file.write(folder / "evaluation.json", document)
    said = sentences(trainer, document, folder)
    figures = []
    if figures_lib.draws(trainer):
        drawn = draw(measured["audit"][trainer.settings.game.audit])
        drawn |= figures_lib.draw_training(trainer, log)
        figures = style.save_figures(drawn, folder / "figures")
    page = {
        "title": f"{trainer.settings.name}: a {title_of(trainer)} generator",
        "summary": said,
        "facts": [("Generator", title_of(trainer)), *run_report.facts(trainer)],
        "tables": [run_report.audit_table(document)],
        "figures": figures,
        "config": run_report.trainer_config(folder),
        "warnings": run_report.warnings(trainer),
    }
    run_page.write_report(folder, page)
    return said


def sentences(trainer: Trainer, document: dict, folder: pathlib.Path) -> list[str]:
    """Say in plain words what was learned, how far it can be trusted, where it lies."""
    audit = trainer.settings.game.audit
    found = document["audit"][audit]["raw"]
    where = "held-out" if trainer.corpus.held_out.any() else "training"
    left = document["residual_at_zero"]
    level = "" if left["db"] is None else f", {left['db']:.0f} dB beside the clip"
    return [
        f"A {title_of(trainer)} generator was trained for {trainer.epoch} epochs of "
        f"{trainer.steps_per_epoch} steps.",
        f"On {document['clips']} {where} clips control 0 leaves a mean change of "
        f"{left['mean']:.2g} in the normalised spectrogram{level}.",
        f"Asked for a change (the {audit} audit, raw control) it makes "
        f"{found['slope']:.2f} of it, R2 {found['r2']:.3f}, mean error "
        f"{found['mae']:.3f}.",
        document["note"],
        f"Open {folder / 'report.html'} to see it.",
    ]


def draw(curve: np.ndarray) -> dict[str, tuple]:
    """Draw requested against measured control, `[clip, control]`."""
    from cak_jax.report import run_figures

    figure = run_figures.audit(evaluate.CONTROLS, curve)
    return {
        "audit": (figure, "Requested and measured", "Each line is a held-out clip.")
    }
