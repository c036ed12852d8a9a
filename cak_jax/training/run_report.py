"""What a finished run leaves for people: figures, previews, report, last words."""

import pathlib
import shlex
from typing import Any

import numpy as np

from cak_jax.audio.sound_file import encode_preview, write
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount
from cak_jax.evaluation import convergence
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels
from cak_jax.report import run_page, style
from cak_jax.runtime import json_file
from cak_jax.training import draw_figures as figures_lib, metrics_log
from cak_jax.training.trainer import Trainer


def write_outcome(
    trainer: Trainer,
    effect: Effect,
    measured: dict,
    measured_clips: dict[str, Any],
    log: metrics_log.MetricsWriter,
    folder: pathlib.Path,
) -> None:
    """Write `figures/`, `previews/` and `report.html`.

    Args:
      trainer: the finished run.
      effect: what was learned.
      measured: `evaluation.evaluate` of it on the held-out clips.
      measured_clips: of `audit.measure_clips` of the same.
      log: the run's metrics.
      folder: the run folder.
    """
    figures = []
    if figures_lib.draws(trainer):
        figures = figures_lib.draw_figures(
            trainer, effect, measured_clips, log, folder / "figures"
        )
    previews = write_previews(trainer, effect, folder / "previews")
    document = {
        "title": f"{effect.name}: a learned audio effect",
        "summary": sentences(trainer, effect, measured, folder),
        "facts": facts(trainer),
        "kernel": effect.kernel,
        "bias": effect.bias,
        "scale": effect.scale,
        "tables": [audit_table(measured), change_table(measured)],
        "figures": figures,
        "previews": previews,
        "config": trainer_config(folder),
        "commands": [hear_command(folder)],
        "warnings": warnings(trainer),
    }
    run_page.write_report(folder, document)


def warnings(trainer: Trainer) -> list[str]:
    """Return what a reader of the report should know first."""
    found = []
    if trainer.settings.output["figures"] and not style.available():
        found.append('No figures: matplotlib is missing; install the extra "plot".')
    if not trainer.corpus.held_out.any():
        by = trainer.corpus.manifest["held_out_by"]
        found.append(f"Held out here means nothing: {by}.")
    return found


def hear_command(folder: pathlib.Path) -> str:
    """Return the command that plays a file of one's own through the effect."""
    path = shlex.quote(str(folder / "effect.json"))
    return f"python -m cak_jax.apply --effect={path} --control=0.8 YOUR.wav"


def trainer_config(folder: pathlib.Path) -> dict:
    """Return the flat configuration as the run folder has it."""
    return json_file.read(folder / "config.json")["config"]


def sentences(
    trainer: Trainer, effect: Effect, measured: dict, folder: pathlib.Path
) -> list[str]:
    """Say in plain words what was learned, how far it can be trusted, where it lies."""
    audit = trainer.settings.game.audit
    change = measured["change"]
    where = "held-out" if trainer.corpus.held_out.any() else "training"
    distance = change["spectral_distance_db"][-1]
    level = change["level_change_db"][-1]
    total = amount(effect, 1.0) * float(np.sum(effect.kernel))
    direction = "adds to" if total > 0 else "takes from"
    null = measured["null_db"]
    zero = "changes nothing at all" if null is None else f"leaves {null:.0f} dBFS"
    return [
        f"Eleven numbers were learned in {trainer.epoch} epochs of "
        f"{trainer.steps_per_epoch} steps; at control 1 the pattern {direction} the "
        f"spectrogram.",
        f"On {measured['clips']} {where} clips control 1 changes the spectrum by "
        f"{distance:.1f} dB on average and the level by {level:+.1f} dB before it is "
        f"matched; control 0 {zero}.",
        " ".join(
            [
                convergence.sentence(
                    measured, audit, bool(trainer.corpus.held_out.any())
                ),
                convergence.settled_sentence(measured["settled"], trainer.epoch),
            ]
        ).rstrip(),
        f"It lies in {folder / 'effect.json'}; open {folder / 'report.html'} to see "
        f"and hear it. On a file of your own: {hear_command(folder)}",
    ]


def facts(trainer: Trainer) -> list[tuple[str, str]]:
    """Return the run's facts for the report."""
    corpus, settings = trainer.corpus, trainer.settings
    threshold = settings.hparams["threshold"]
    return [
        ("Corpus", corpus.manifest["path_name"]),
        ("Training clips", str(len(corpus.training))),
        ("Held-out clips", str(int(corpus.held_out.sum()))),
        ("Files left out", str(len(corpus.manifest["left_out"]))),
        ("Audit", settings.game.audit),
        ("Pairing", settings.train.pairing),
        ("Epochs", f"{trainer.epoch} of {trainer.steps_per_epoch} steps"),
        ("Gate", f"threshold {threshold:g}, temperature {trainer.temperature:g}"),
        ("Normalisation", f"{corpus.low:.4f} to {corpus.high:.4f}"),
    ]


def audit_table(measured: dict) -> dict:
    """Return the audit's measures as a table, trivial answers beside them."""
    rows = []
    for audit, knobs in measured["audit"].items():
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


def change_table(measured: dict) -> dict:
    """Return what the effect does to held-out clips, by control."""
    change = measured["change"]
    columns = ("control", "spectral_distance_db", "level_change_db")
    return {
        "title": "What it does",
        "note": "Log-spectral distance to the dry sound and change of level, means "
        "over held-out clips, before loudness is matched.",
        "columns": ["control", "distance (dB)", "level (dB)"],
        "rows": [list(row) for row in zip(*(change[c] for c in columns), strict=True)],
    }


def write_previews(
    trainer: Trainer, effect: Effect, folder: pathlib.Path
) -> list[dict]:
    """Render held-out clips at each preview control: 24-bit WAV, MP3 for the report."""
    folder.mkdir(exist_ok=True)
    corpus, output = trainer.corpus, trainer.settings.output
    rate = effect.spectrogram.sample_rate
    clips = corpus.evaluation
    picked = clips[np.linspace(0, len(clips) - 1, output["previews"]).astype(int)]
    shown = []
    for number, clip in enumerate(dict.fromkeys(picked.tolist()), start=1):
        dry = np.asarray(corpus.audio[clip])
        items = []
        wets = [
            np.atleast_2d(in_memory.render(effect, dry, rate, float(control)))
            for control in output["preview_controls"]
        ]
        # One gain for the row: what is compared must stay comparable.
        peak = max((float(np.abs(wet).max()) for wet in wets), default=0.0)
        gain = np.float32(1.0 / max(1.0, peak))
        for control, wet in zip(output["preview_controls"], wets, strict=True):
            wet = wet * gain
            path = folder / f"{number:02d}_c{round(control * 100):03d}.wav"
            write(path, wet, rate, "WAV", "PCM_24", overwrite=True)
            data = encode_preview(wet, rate)
            items.append(
                {"label": f"control {control:g}", "mime": "audio/mpeg", "data": data}
            )
        note = f" (all at {decibels(gain):.1f} dB)" if gain < 1 else ""
        shown.append({"name": corpus.names[clip] + note, "items": items})
    return shown
