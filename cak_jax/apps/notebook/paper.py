"""The paper's figures in a notebook, at the size that one of its cells sets."""

import pathlib
from typing import Any

import jax
import numpy as np

from cak_jax.apps.notebook.show import picture, short_errors, show, table
from cak_jax.apps.notebook.train import SIZES as TRAIN_SIZES, Sizes, configure_size
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount
from cak_jax.evaluation import agreement, knob_response
from cak_jax.evaluation.audit import audit_curve, measure_clips
from cak_jax.model.audits.table import AUDITS
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import decibels, rms
from cak_jax.report import comparison_figures, sweep_figures
from cak_jax.runtime import json_file
from cak_jax.sweep.grid import part
from cak_jax.sweep.results import DONE, centre, from_jsonl, grid, where
from cak_jax.sweep.run_sweep import run_sweep
from cak_jax.training import metrics_log, run_corpus
from cak_jax.training.config import ConfigError, build

# Fewer and shorter clips, because the paper's corpus takes days on two cores.
_CLIPS: dict[str, Any] = {
    "corpus.clip": "all",
    "corpus.seconds": 5.0,
    "corpus.fade_seconds": 0.6,
    "corpus.max_clips": 60,
    "corpus.max_held_out": 8,
    "corpus.synthetic_clips": 70,
    "output.figures": False,
    "output.previews": 0,
}
# Crops and a narrow critic as well, as in `configs/film.py`.
_MINUTES: dict[str, Any] = _CLIPS | {
    "game.critic_steps": 3,
    "game.critic_widths": (8, 16, 32),
    "train.epochs": 8,
    "train.batch_size": 8,
    "train.crop_frames": 64,
    "train.crop_bins": 256,
    "train.steps_per_dispatch": 5,
}
# At the published effect's resolution, because it is applied to the same clips.
_TEST = TRAIN_SIZES["test"] | {
    "game.critic_widths": (2, 2, 2),
    "game.critic_steps": 1,
    "train.crop_frames": 16,
    "train.crop_bins": 64,
    "spectrogram.sample_rate": 44100,
    "spectrogram.n_fft": 2048,
    "spectrogram.hop_length": 512,
    "train.batch_size": 8,
}
_PAPER: Sizes = {"test": _TEST, "minutes": _MINUTES, "full": {}}
_OURS = _CLIPS | {"train.epochs": 12, "train.evaluate_every": 4}
SIZES = {"paper": _PAPER, "film": _PAPER, "relative": _PAPER | {"minutes": _OURS}}
# Corpus sizes, final temperatures, seeds. The full study is configs/sweep_corpus_gate.
SWEPT = {
    "test": ((4, 8), (5.0, 20.0, 80.0), (0,)),
    "minutes": ((5, 20, 50), (2.0, 10.0, 40.0), (0,)),
}
_SWEEP: Sizes = {
    "test": _TEST | {"train.batch_size": 4, "sweep.vectorise": "map"},
    "minutes": _CLIPS,
    # Enough of the embedded sounds for the study's 200 training clips.
    "full": {"corpus.synthetic_clips": 240},
}
STEPS = {"test": 4, "minutes": 60}
MODES = "published", "residual"
CONTROLS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
AXES = "gate.temperature_final", "train.clips"
MAPS = {
    "audit.relative.calibrated.r2": "R2, calibrated knob",
    "audit.relative.raw.r2": "R2, raw knob",
    "knob.gate.dead_zone": "Dead zone of the raw knob",
}
# Seconds of each clip that are rendered at all controls.
SECONDS = 4.0


@short_errors()
def configure(kind: str, size: str, sounds: str = "") -> Any:
    """Return the configuration of one training of the notebook.

    Args:
      kind: "paper", "film" (FiLM instead of CAK) or "relative" (ours).
      size: "test", "minutes" or "full".
      sounds: a folder, "" for the embedded sounds.
    """
    if kind not in SIZES:
        raise ConfigError(f"kind: must be one of {', '.join(SIZES)}, got {kind!r}")
    config = configure_size(kind, SIZES[kind], size, sounds)
    # All devices share a batch if its size allows it.
    shared = config.train.batch_size % jax.local_device_count() == 0
    config.train.devices = 0 if shared else 1
    return config


@short_errors()
def configure_sweep(size: str, sounds: str = "") -> Any:
    """Return the sweep over corpus size and gate; arguments as in `configure`."""
    config = configure_size("sweep_corpus_gate", _SWEEP, size, sounds)
    if size == "full":
        return config
    clips, temperatures, seeds = SWEPT[size]
    # All runs have the same number of iterations. The gate's temperature reaches its
    # final value after two thirds of them.
    steps = [max(1, n // config.train.batch_size) for n in clips]
    epochs = tuple(max(1, STEPS[size] // n) for n in steps)
    annealed = tuple(n * 2 / 3 for n in epochs)
    with config.unlocked():
        config.sweep.parts = {
            "size_temperature": part(
                grid={
                    "train.clips": clips,
                    "gate.temperature_final": temperatures,
                    "train.seed": seeds,
                },
                follow={"train.epochs": epochs, "gate.anneal_epochs": annealed},
                leader="train.clips",
            )
        }
    return config


@short_errors()
def sweep(config: Any, folder: str) -> pathlib.Path:
    """Run a sweep on all devices and return its folder."""
    return run_sweep(config, folder)


@short_errors()
def show_sweep(folder: pathlib.Path) -> None:
    """Show the results of a sweep over corpus size and gate, means over its seeds."""
    text = (pathlib.Path(folder) / "table.jsonl").read_text("utf-8")
    runs = [run for run in from_jsonl(text) if run["status"] == DONE]
    if runs and "gate.threshold" in runs[0]:
        runs = where(runs, centre(runs, ["gate.threshold"]))
    maps = []
    for measured, title in MAPS.items():
        texts = {"title": title, "rows": AXES[0], "across": AXES[1]}
        down, right, cells = grid(runs, *AXES, measured)
        maps.append(texts | {"down": down, "right": right, "table": cells})
    show(picture(sweep_figures.heat_maps(maps)))


def records(run: pathlib.Path) -> list[dict[str, Any]]:
    """Return the training records of a run's epochs."""
    lines = metrics_log.read_lines(pathlib.Path(run) / "metrics.jsonl")
    return [record for record in lines if record["kind"] == "train"]


def published_history() -> list[dict[str, Any]]:
    """Return the published training's records, one per epoch."""
    series = json_file.read(pathlib.Path(__file__).with_name("published_history.json"))
    return [
        {"epoch": epoch} | dict(zip(series, values, strict=True))
        for epoch, values in enumerate(zip(*series.values(), strict=True), 1)
    ]


@short_errors()
def held_out(config: Any, count: int) -> np.ndarray:
    """Return at most `count` held-out clips of a run, `[clip, samples]` float32."""
    corpus = run_corpus.load_whole(build(config))
    return np.stack([corpus.audio[clip] for clip in corpus.evaluation[:count]])


@short_errors()
def show_generators(film: pathlib.Path, cak: pathlib.Path) -> None:
    """Show figure 1: FiLM and CAK under the same training."""
    runs = {"FiLM": records(film), "CAK": records(cak)}
    show(picture(comparison_figures.histories(runs, comparison_figures.GENERATORS)))


@short_errors()
def show_history(run: pathlib.Path) -> None:
    """Show figure 2: a run's training beside the published one's."""
    runs = {"published": published_history(), "here": records(run)}
    show(picture(comparison_figures.histories(runs)))


@short_errors()
def show_audit(effects: dict[str, Effect], clips: np.ndarray, audit: str) -> None:
    """Show measured against requested change on clips, and a line fitted to them.

    Args:
      effects: by name, at one sample rate.
      clips: `[clip, samples]` at that rate.
      audit: "absolute" (the paper's) or "relative".
    """
    if audit not in tuple(AUDITS):
        raise ConfigError(f"audit: must be one of {tuple(AUDITS)}, got {audit!r}")
    curves = {}
    for name, effect in effects.items():
        measured = measure_clips(effect, list(clips))
        curves[name] = audit_curve(effect, measured, agreement.CONTROLS, audit)
    show(picture(comparison_figures.audits(agreement.CONTROLS, curves)))
    fitted = [agreement.fit(agreement.CONTROLS, curve) for curve in curves.values()]
    columns: dict[str, list[Any]] = {"effect": list(curves)}
    for heading, key in {"slope": "slope", "R2": "r2", "error": "mae"}.items():
        columns[heading] = [line[key] for line in fitted]
    show(table(columns))


@short_errors()
def show_identity(effects: dict[str, Effect], clips: np.ndarray) -> None:
    """Show the knob's factor and the difference between output and input.

    Both for our rendering and for that of the published application, mode "published";
    arguments as in `show_audit`.
    """
    factors = {
        n: np.array([amount(e, c) for c in CONTROLS]) for n, e in effects.items()
    }
    residuals = {
        name: {
            mode: [residual(effect, clips, control, mode) for control in CONTROLS]
            for mode in MODES
        }
        for name, effect in effects.items()
    }
    show(picture(comparison_figures.identity(CONTROLS, factors, residuals)))
    columns = {"effect": list(residuals)}
    for mode in MODES:
        at_zero = [levels[mode][0] for levels in residuals.values()]
        columns[f"at control 0, {mode}"] = [
            "bit-exact" if level == -np.inf else f"{level:.1f} dB" for level in at_zero
        ]
    show(table(columns))


def residual(effect: Effect, clips: np.ndarray, control: float, mode: str) -> float:
    """Return the change of clips in dB of their input, -inf if there is none."""
    rate = effect.spectrogram.sample_rate
    clips = np.stack(
        [knob_response.loudest(clip, round(SECONDS * rate)) for clip in clips]
    )
    wets = np.stack([render(effect, clip, rate, control, mode=mode) for clip in clips])
    if wets.tobytes() == clips.tobytes():
        return -np.inf
    return float(decibels(rms(wets - clips) / rms(clips)))
