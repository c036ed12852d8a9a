"""The report of a finished run: figures, previews, page and summary."""

import pathlib
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np

from cak_jax.audio.sound_file import encode_preview, write
from cak_jax.data import pairs
from cak_jax.effect.effect import Effect, save_effect
from cak_jax.effect.gate import amount
from cak_jax.evaluation import (
    agreement,
    audit as audit_lib,
    convergence,
    knob_response,
)
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels, fitting_gain
from cak_jax.report import run_page, style
from cak_jax.runtime import json_file
from cak_jax.training.metrics_log import MetricsWriter
from cak_jax.training.snapshot import Snapshot, effect_of

SPECTROGRAM_CONTROLS = (0.5, 1.0)
# Name of a figure -> figure, title and caption.
Figures = dict[str, tuple[Any, str, str]]


def write_evaluation(
    snapshot: Snapshot, measured: dict[str, Any], folder: pathlib.Path
) -> Effect:
    """Write `evaluation.json`, and `effect.json` with the audit's measures in it.

    Args:
      snapshot: of a finished run that has an effect.
      measured: result of `evaluate.evaluate`; gains whether it is trustworthy.
      folder: the run folder.

    Returns:
      The effect.
    """
    audit = snapshot.settings.game.audit
    measured["trustworthy"] = convergence.trustworthy(measured, audit)
    json_file.write(folder / "evaluation.json", measured)
    fitted = measured["audit"][audit]["calibrated"]
    metrics = {name: fitted[name] for name in ("slope", "r2", "mae")}
    effect = effect_of(snapshot, metrics)
    assert effect is not None  # only an effect is evaluated this way
    save_effect(effect, folder / "effect.json")
    return effect


def write_outcome(
    snapshot: Snapshot,
    effect: Effect,
    measured: dict[str, Any],
    measured_clips: dict[str, Any],
    log: MetricsWriter,
    folder: pathlib.Path,
) -> list[str]:
    """Write `figures/`, `previews/` and `report.html`.

    Args:
      snapshot: of the finished run.
      effect: that it learned.
      measured: result of `evaluate.evaluate` on the held-out clips.
      measured_clips: result of `audit.measure_clips` on the same clips.
      log: the run's metrics.
      folder: the run folder.

    Returns:
      The run's summary, one sentence or two each.
    """
    summary = sentences(snapshot, effect, measured, folder)
    write_page(
        snapshot,
        log,
        folder,
        lambda: draw_effect(snapshot, effect, measured_clips),
        title=f"{effect.name}: a learned audio effect",
        summary=summary,
        facts=facts(snapshot),
        kernel=effect.kernel,
        bias=effect.bias,
        scale=effect.scale,
        tables=[audit_table(measured), change_table(measured)],
        previews=write_previews(snapshot, effect, folder / "previews"),
        commands=[hear_command(folder)],
    )
    return summary


def write_page(
    snapshot: Snapshot,
    log: MetricsWriter,
    folder: pathlib.Path,
    draw: Callable[[], Figures],
    **sections: Any,
) -> None:
    """Write `figures/` and `report.html`, with the sections that every run has.

    Args:
      snapshot: of the finished run.
      log: the run's metrics.
      folder: the run folder.
      draw: gives the figures of the generator, if figures are wanted.
      **sections: of `run_page.write_report`, without figures, config and warnings.
    """
    figures, warnings = [], []
    if snapshot.settings.output["figures"] and style.available():
        drawn = draw() | draw_training(snapshot, log)
        figures = style.save_figures(drawn, folder / "figures")
    elif snapshot.settings.output["figures"]:
        warnings.append('No figures: matplotlib is missing; install the extra "plot".')
    if not snapshot.has_held_out:
        by = snapshot.corpus.manifest["held_out_by"]
        warnings.append(f"Held out here means nothing: {by}.")
    config = json_file.read(folder / "config.json")["config"]
    common = {"figures": figures, "config": config, "warnings": warnings}
    run_page.write_report(folder, common | sections)


def hear_command(folder: pathlib.Path) -> str:
    """Return the command that applies the effect to a sound file of the reader."""
    path = shlex.quote(str(folder / "effect.json"))
    return f"python -m cak_jax.apply --effect={path} --control=0.8 YOUR.wav"


def sentences(
    snapshot: Snapshot, effect: Effect, measured: dict[str, Any], folder: pathlib.Path
) -> list[str]:
    """Return the summary: what was learned, how far it can be trusted, the files."""
    audit = snapshot.settings.game.audit
    change = measured["change"]
    where = "held-out" if snapshot.has_held_out else "training"
    distance = change["spectral_distance_db"][-1]
    level = change["level_change_db"][-1]
    total = amount(effect, 1.0) * float(np.sum(effect.kernel))
    direction = "adds to" if total > 0 else "takes from"
    null = measured["null_db"]
    zero = "changes nothing at all" if null is None else f"leaves {null:.0f} dBFS"
    return [
        f"Eleven numbers were learned in {snapshot.epoch} epochs of "
        f"{snapshot.steps_per_epoch} steps; at control 1 the pattern {direction} the "
        f"spectrogram.",
        f"On {measured['clips']} {where} clips control 1 changes the spectrum by "
        f"{distance:.1f} dB on average and the level by {level:+.1f} dB before it is "
        f"matched; control 0 {zero}.",
        " ".join(
            [
                convergence.sentence(measured, audit, snapshot.has_held_out),
                convergence.settled_sentence(measured["settled"], snapshot.epoch),
            ]
        ).rstrip(),
        f"It lies in {folder / 'effect.json'}; open {folder / 'report.html'} to see "
        f"and hear it. On a file of your own: {hear_command(folder)}",
    ]


def facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the run's facts for the report."""
    corpus, settings = snapshot.corpus, snapshot.settings
    threshold = settings.hparams["threshold"]
    return [
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


def audit_table(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the audit's measures as a table, with those of trivial effects."""
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


def write_previews(
    snapshot: Snapshot, effect: Effect, folder: pathlib.Path
) -> list[dict[str, Any]]:
    """Render held-out clips at each preview control: 24-bit WAV, MP3 for the report."""
    folder.mkdir(exist_ok=True)
    corpus, output = snapshot.corpus, snapshot.settings.output
    rate = effect.spectrogram.sample_rate
    clips = corpus.evaluation
    picked = clips[np.linspace(0, len(clips) - 1, output["previews"]).astype(int)]
    shown = []
    for number, clip in enumerate(dict.fromkeys(picked.tolist()), start=1):
        dry = np.asarray(corpus.audio[clip])
        wets = [
            np.atleast_2d(in_memory.render(effect, dry, rate, float(control)))
            for control in output["preview_controls"]
        ]
        # One gain for all controls of a clip, so that their loudness can be compared.
        gain = np.float32(fitting_gain(*wets))
        items = []
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


def draw_effect(
    snapshot: Snapshot, effect: Effect, measured_clips: dict[str, Any]
) -> Figures:
    """Draw what was learned: kernel, audit and spectrograms of a clip."""
    from cak_jax.report import kernel_figure

    clips = snapshot.corpus.evaluation
    return {
        "kernel": (
            kernel_figure.kernel(np.asarray(effect.kernel), effect.spectrogram),
            "The learned kernel",
            "Nine of the eleven numbers, where they point, and what they respond to.",
        ),
        "audit": (
            draw_audit(effect, measured_clips, snapshot.settings.game.audit),
            "Requested and measured",
            "Each line is a held-out clip.",
        ),
        "spectrograms": (
            draw_spectrograms(effect, np.asarray(snapshot.corpus.audio[clips[0]])),
            "One held-out clip",
            snapshot.corpus.names[clips[0]],
        ),
    }


def draw_training(snapshot: Snapshot, log: MetricsWriter) -> Figures:
    """Draw labels and training history, of any generator."""
    from cak_jax.report import run_figures

    corpus, train = snapshot.corpus, snapshot.settings.train
    labels = corpus.labels[corpus.training]
    items = pairs.epoch_items(labels, train.pairing, train.seed, 0)
    requested = np.asarray(items.control)[items.low != items.high]
    drawn: Figures = {
        "labels": (
            run_figures.label_histogram(labels, requested),
            "Labels and requested values",
            "Labels of the clips, and controls that the pairs of an epoch request.",
        ),
    }
    if log.of_kind("train"):
        history = run_figures.history(log.of_kind("train"), log.of_kind("held_out"))
        drawn["history"] = (history, "Training history", "Means over each epoch.")
    return drawn


def draw_audit(effect: Effect, measured_clips: dict[str, Any], audit: str) -> Any:
    """Draw requested against measured control on the held-out clips."""
    from cak_jax.report import run_figures

    raw, calibrated = (
        audit_lib.audit_curve(
            effect,
            measured_clips,
            knob_response.controls_of(effect, name, agreement.CONTROLS),
            audit,
        )
        for name in knob_response.KNOBS
    )
    return run_figures.audit(agreement.CONTROLS, raw, agreement.CONTROLS, calibrated)


def draw_spectrograms(effect: Effect, dry: np.ndarray) -> Any:
    """Draw a clip's spectrogram dry and at two controls."""
    import jax.numpy as jnp

    from cak_jax.model import spectral
    from cak_jax.report import sound_figures

    settings = effect.spectrogram

    def levels(audio: np.ndarray) -> np.ndarray:
        return decibels(np.abs(spectral.stft(jnp.asarray(audio), settings)), floor=1e-5)

    wets = [
        levels(in_memory.render(effect, dry, settings.sample_rate, control))
        for control in SPECTROGRAM_CONTROLS
    ]
    return sound_figures.spectrograms(
        levels(dry),
        wets,
        SPECTROGRAM_CONTROLS,
        settings.sample_rate,
        settings.hop_length,
    )
