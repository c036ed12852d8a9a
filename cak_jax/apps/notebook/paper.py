"""The paper's figures in a notebook, at the size that a notebook's one cell sets."""

import importlib.resources
import json
import pathlib

import jax
import numpy as np

from cak_jax.apps.notebook.errors import told
from cak_jax.apps.notebook.show import picture, show, table
from cak_jax.apps.notebook.train import SIZES as TRAINED, of_size
from cak_jax.effect.effect import Effect
from cak_jax.effect.gate import amount
from cak_jax.evaluation import agreement, audit as measure, knob_response
from cak_jax.model import losses
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import decibels, rms
from cak_jax.sweep import table as sweep_table
from cak_jax.sweep.grid import part
from cak_jax.sweep.results import DONE
from cak_jax.sweep.sweep import run_sweep
from cak_jax.training import config as config_lib, metrics_log, run_corpus
from cak_jax.training.config import ConfigError

# Small and quick instead of whole clips and a wide critic for days; `configs/film.py`.
_CLIPS = {
    "corpus.clip": "all",
    "corpus.seconds": 5.0,
    "corpus.fade_seconds": 0.6,
    "corpus.max_clips": 60,
    "corpus.max_held_out": 8,
    "corpus.synthetic_clips": 70,
    "output.figures": False,
    "output.previews": 0,
}
_MINUTES = _CLIPS | {
    "game.critic_steps": 3,
    "game.critic_widths": (8, 16, 32),
    "train.epochs": 8,
    "train.batch_size": 8,
    "train.crop_frames": 64,
    "train.crop_bins": 256,
    "train.steps_per_dispatch": 5,
}
# At the published effect's resolution, for the clips are given to it as well.
_TEST = TRAINED["test"] | {
    "spectrogram.sample_rate": 44100,
    "spectrogram.n_fft": 2048,
    "spectrogram.hop_length": 512,
    "train.batch_size": 8,
}
SIZES = {
    "paper": {"test": _TEST, "minutes": _MINUTES, "full": {}},
    "film": {"test": _TEST, "minutes": _MINUTES, "full": {}},
    "default": {
        "test": _TEST,
        "minutes": _CLIPS | {"train.epochs": 12, "train.evaluate_every": 4},
        "full": {},
    },
}
# Corpus sizes, final temperatures, seeds; the whole study is configs/sweep_corpus_gate.
SWEPT = {
    "test": ((4, 8), (5.0, 20.0, 80.0), (0,)),
    "minutes": ((5, 20, 50), (2.0, 10.0, 40.0), (0,)),
}
_SWEEP = {
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
# Of each clip that is rendered at all of them.
SECONDS = 4.0


@told()
def configure(kind: str, size: str, sounds: str = ""):
    """Return the configuration of one training of the notebook.

    Args:
      kind: "paper", "film" (FiLM in the place of CAK) or "default" (ours).
      size: "test", "minutes" or "full".
      sounds: a folder, "" for the embedded sounds.
    """
    if kind not in SIZES:
        raise ConfigError(f"kind: must be one of {', '.join(SIZES)}, got {kind!r}")
    config = of_size(kind, SIZES[kind], size, sounds)
    # Batches are shared by all devices, where they can be.
    shared = config.train.batch_size % jax.local_device_count() == 0
    config.train.devices = 0 if shared else 1
    return config


@told()
def configure_sweep(size: str, sounds: str = ""):
    """Return the sweep over corpus size and gate; arguments as in `configure`."""
    base = "sweep_corpus_gate" if size == "full" else "sweep"
    config = of_size(base, _SWEEP, size, sounds)
    if size == "full":
        return config
    clips, temperatures, seeds = SWEPT[size]
    # All as many iterations long, and the gate warm after two thirds.
    each = [max(1, n // config.train.batch_size) for n in clips]
    epochs = tuple(max(1, STEPS[size] // steps) for steps in each)
    warm = tuple(epochs_ * 2 / 3 for epochs_ in epochs)
    with config.unlocked():
        config.sweep.parts = {
            "size_temperature": part(
                grid={
                    "train.clips": clips,
                    "gate.temperature_final": temperatures,
                    "train.seed": seeds,
                },
                follow={"train.epochs": epochs, "gate.anneal_epochs": warm},
                leader="train.clips",
            )
        }
    return config


@told()
def sweep(config, folder: str) -> pathlib.Path:
    """Make a sweep, its runs shared by all devices, and return its folder."""
    return run_sweep(config, folder)


@told()
def show_sweep(folder: pathlib.Path) -> None:
    """Show what a sweep over corpus size and gate measured, means over its seeds."""
    from cak_jax.report import sweep_figures

    text = (pathlib.Path(folder) / "table.jsonl").read_text("utf-8")
    runs = [run for run in sweep_table.from_jsonl(text) if run["status"] == DONE]
    if runs and "gate.threshold" in runs[0]:
        runs = sweep_table.where(runs, sweep_table.centre(runs, ["gate.threshold"]))
    maps = []
    for measured, title in MAPS.items():
        down, right, numbers = sweep_table.grid(runs, *AXES, measured)
        places = dict(zip(("rows", "across"), AXES, strict=True))
        maps.append(
            {"title": title, "down": down, "right": right, "table": numbers} | places
        )
    show(picture(sweep_figures.heat_maps(maps)))


def records(run: pathlib.Path, kind: str = "train") -> list[dict]:
    """Return the records of a run's epochs, "train" or "held_out"."""
    found = metrics_log.read_lines(pathlib.Path(run) / "metrics.jsonl")
    return [record for record in found if record["kind"] == kind]


def published_history() -> list[dict]:
    """Return the published training's records, one per epoch."""
    file = importlib.resources.files("cak_jax.apps.notebook") / "published_history.json"
    series = json.loads(file.read_text("utf-8"))
    epochs = range(1, 1 + len(series["scale"]))
    return [
        {"epoch": epoch, **{name: values[epoch - 1] for name, values in series.items()}}
        for epoch in epochs
    ]


@told()
def held_out(config, count: int) -> np.ndarray:
    """Return clips that a run's corpus holds out, `[clip, samples]` float32.

    Args:
      config: of the run.
      count: at most.
    """
    corpus = run_corpus.load_whole(config_lib.build(config))
    return np.stack([corpus.audio[clip] for clip in corpus.evaluation[:count]])


@told()
def show_generators(film: pathlib.Path, cak: pathlib.Path) -> None:
    """Show figure 1: FiLM and CAK under the same training."""
    from cak_jax.report import comparison_figures

    runs = {"FiLM": records(film), "CAK": records(cak)}
    show(picture(comparison_figures.histories(runs, comparison_figures.GENERATORS)))


@told()
def show_history(run: pathlib.Path) -> None:
    """Show figure 2: a run's training beside the published one's."""
    from cak_jax.report import comparison_figures

    runs = {"published": published_history(), "here": records(run)}
    show(picture(comparison_figures.histories(runs)))


@told()
def show_audit(effects: dict[str, Effect], clips: np.ndarray, audit: str) -> None:
    """Show what an audit measures on clips of what is asked for, and its measures.

    Args:
      effects: by name, at one sample rate.
      clips: `[clip, samples]` at that rate.
      audit: "absolute" (the paper's) or "relative".
    """
    from cak_jax.report import comparison_figures

    if audit not in losses.AUDITS:
        raise ConfigError(f"audit: must be one of {losses.AUDITS}, got {audit!r}")
    curves = {}
    for name, effect in effects.items():
        ends = measure.measure_clips(effect, lambda i: clips[i], len(clips))["ends"]
        controls = agreement.CONTROLS
        curves[name] = measure.audit_curve(effect, ends, controls, audit)
    show(picture(comparison_figures.audits(agreement.CONTROLS, curves)))
    fitted = {
        n: agreement.fit(agreement.CONTROLS, curve) for n, curve in curves.items()
    }
    show(
        table(
            {"effect": list(fitted)}
            | {
                head: [own[key] for own in fitted.values()]
                for key, head in (("slope", "slope"), ("r2", "R2"), ("mae", "error"))
            }
        )
    )


@told()
def show_identity(effects: dict[str, Effect], clips: np.ndarray) -> None:
    """Show the knob's factor, and by how much the output differs from the input.

    Ours as it renders; the published application's way beside it, mode "published".

    Args:
      effects: by name, at one sample rate.
      clips: `[clip, samples]` at that rate.
    """
    from cak_jax.report import comparison_figures

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
    at_zero = {
        f"at control 0, {mode}": [_in_words(own[mode][0]) for own in residuals.values()]
        for mode in MODES
    }
    show(table({"effect": list(residuals)} | at_zero))


def _in_words(level: float) -> str:
    return "bit-exact" if level == -np.inf else f"{level:.1f} dB"


def residual(effect: Effect, clips: np.ndarray, control: float, mode: str) -> float:
    """Return the difference of clips to their input in dB of it, -inf for none."""
    rate = effect.spectrogram.sample_rate
    clips = np.stack(
        [knob_response.loudest(clip, round(SECONDS * rate)) for clip in clips]
    )
    wets = np.stack([render(effect, clip, rate, control, mode=mode) for clip in clips])
    if wets.tobytes() == clips.tobytes():
        return -np.inf
    return float(decibels(rms(wets - clips) / rms(clips)))
