"""The figures of a finished run, drawn, saved and described."""

import pathlib
from typing import Any

import numpy as np

from cak_jax.data import pairs
from cak_jax.effect.effect import Effect
from cak_jax.evaluation import audit as measure, evaluate, knob_response
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels
from cak_jax.report import style
from cak_jax.report.style import save_figures
from cak_jax.training import metrics_log
from cak_jax.training.trainer import Trainer

SPECTROGRAM_CONTROLS = (0.5, 1.0)


def draws(trainer: Trainer) -> bool:
    """Say whether figures are wanted and can be drawn."""
    return trainer.settings.output["figures"] and style.available()


def draw_figures(
    trainer: Trainer,
    effect: Effect,
    measured_clips: dict[str, Any],
    log: metrics_log.MetricsWriter,
    folder: pathlib.Path,
) -> list[dict]:
    """Draw and save the run's figures; return them for the report."""
    from cak_jax.report import kernel_figure

    clips = trainer.corpus.evaluation
    drawn = {
        "kernel": (
            kernel_figure.kernel(np.asarray(effect.kernel), effect.spectrogram),
            "The learned kernel",
            "Nine of the eleven numbers, where they point, and what they respond to.",
        ),
        "audit": (
            draw_audit(effect, measured_clips, trainer.settings.game.audit),
            "Requested and measured",
            "Each line is a held-out clip.",
        ),
        "spectrograms": (
            draw_spectrograms(effect, np.asarray(trainer.corpus.audio[clips[0]])),
            "One held-out clip",
            trainer.corpus.names[clips[0]],
        ),
    }
    return save_figures(drawn | draw_training(trainer, log), folder)


def draw_training(trainer: Trainer, log: metrics_log.MetricsWriter) -> dict[str, tuple]:
    """Draw what any generator's training has: `{name: (figure, title, caption)}`."""
    from cak_jax.report import run_figures

    labels, train = trainer.labels, trainer.settings.train
    items = pairs.epoch_items(labels, train.pairing, train.seed, 0)
    wanted = np.asarray(items.control)[items.low != items.high]
    drawn = {
        "labels": (
            run_figures.label_histogram(labels, wanted),
            "Labels and requested values",
            "What the pairs of an epoch ask for.",
        ),
    }
    if log.of_kind("train"):
        history = run_figures.history(log.of_kind("train"), log.of_kind("held_out"))
        drawn["history"] = (history, "Training history", "Means over each epoch.")
    return drawn


def draw_audit(effect: Effect, measured_clips: dict[str, Any], audit: str):
    """Draw requested against measured control on the held-out clips."""
    from cak_jax.report import run_figures

    raw, calibrated = (
        measure.audit_curve(
            effect,
            measured_clips,
            knob_response.controls_of(effect, name, evaluate.CONTROLS),
            audit,
        )
        for name in knob_response.KNOBS
    )
    return run_figures.audit(evaluate.CONTROLS, raw, evaluate.CONTROLS, calibrated)


def draw_spectrograms(effect: Effect, dry: np.ndarray):
    """Draw a clip's spectrogram dry and at two controls."""
    from cak_jax.model import spectral
    from cak_jax.report import sound_figures

    settings = effect.spectrogram

    def levels(audio: np.ndarray) -> np.ndarray:
        return decibels(np.abs(spectral.stft(audio, settings)), floor=1e-5)

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
