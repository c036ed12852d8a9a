"""A map of many effects by what they do: each is played on the same probe sounds."""

import dataclasses
import pathlib

import numpy as np

from cak_jax.audio.sound_file import encode_preview
from cak_jax.data.clips import spread_clips
from cak_jax.effect.effect import Effect, load_effect
from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import change, knob_response, spectral_distance
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import in_memory, loudness
from cak_jax.runtime import json_file
from cak_jax.runtime.files import replace_file
from cak_jax.runtime.progress import Bars
from cak_jax.sweep import effect_map_page
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.results import DONE
from cak_jax.training import run_corpus

SECONDS = 6.0
# All effects are heard through one analysis, whatever their own resolution.
WINDOW, HOP = 2048, 512
PLAIN = {
    "spectral_distance_matched_db": "distance, dB",
    "crest_factor_change_db": "crest factor, dB",
    "spectral_centroid_change_octaves": "centroid, octaves",
    "spectral_flatness_change_db": "flatness, dB",
    "multi_resolution_distance": "multi-resolution distance",
}


@dataclasses.dataclass(frozen=True)
class Probe:
    """Sounds that every effect is played on.

    Attributes:
      clips: `[samples]` float32 each.
      sample_rate: of them, Hz.
      amount: of the calibrated knob.
    """

    clips: list[np.ndarray]
    sample_rate: int
    amount: float

    @property
    def analysis(self) -> SpectrogramSettings:
        """The transform that all are heard through."""
        return SpectrogramSettings(self.sample_rate, WINDOW, HOP)


def write_zoo(
    made: list[PlannedRun],
    rows: dict[str, dict],
    settings: SweepSettings,
    folder: pathlib.Path,
) -> str:
    """Measure the effects of a sweep on probe sounds and write `zoo.html`.

    Args:
      made: the finished runs.
      rows: of them, by key.
      settings: how many probe sounds, and how far the knob is turned.
      folder: of the sweep.

    Returns:
      A sentence that says where it lies.
    """
    good = [run for run in made if rows[run.key]["status"] == DONE]
    if len(good) < 3:
        return f"No map: {len(good)} effects are too few, 3 are needed."
    said = f"A map that plays lies in {folder / 'zoo.html'}."
    made_of = json_file.digest(
        [[run.key for run in good], settings.probe_clips, settings.probe_amount]
    )
    if _is_drawn(folder, made_of):
        return said
    probe = choose_probe(good[0], settings)
    animals, table, names = [], [], []
    with Bars() as bars:
        for number, run in enumerate(good, start=1):
            row = rows[run.key]
            effect = load_effect(folder / "runs" / row["run"] / "effect.json")
            found, names = features(effect, probe)
            table.append(found)
            animals.append(
                {
                    "name": row["run"],
                    "values": run.point.values,
                    "sound": encode_preview(
                        play(effect, probe.clips[0], probe)[None], probe.sample_rate
                    ),
                }
            )
            bars(number, len(good), "playing the effects")
    places, axes = lay_out(np.array(table), names)
    dry = encode_preview(probe.clips[0][None], probe.sample_rate)
    kept = [
        {"run": animal["name"], "place": place.tolist(),
         "features": dict(zip(names, found, strict=True))}
        for animal, place, found in zip(animals, places, table, strict=True)
    ]  # fmt: skip
    page = effect_map_page.render(folder.name, animals, places, axes, dry)
    replace_file(folder / "zoo.html", page.encode("utf-8", "replace"))
    # The page first: what stands here says that it is whole.
    document = {"made_of": made_of, "axes": axes, "effects": kept}
    json_file.write(folder / "zoo.json", document)
    return said


def _is_drawn(folder: pathlib.Path, made_of: str) -> bool:
    try:
        known = json_file.read(folder / "zoo.json").get("made_of") == made_of
    except (OSError, ValueError, AttributeError):
        return False
    return known and (folder / "zoo.html").exists()


def choose_probe(run: PlannedRun, settings: SweepSettings) -> Probe:
    """Return the loudest seconds of held-out clips of a run's corpus."""
    corpus = run_corpus.load_whole(run.settings)
    clips = spread_clips(corpus.evaluation, settings.probe_clips)
    rate = run.settings.spectrogram.sample_rate
    samples = round(SECONDS * rate)
    sounds = [
        knob_response.loudest(np.asarray(corpus.audio[clip]), samples) for clip in clips
    ]
    return Probe(sounds, rate, settings.probe_amount)


def play(effect: Effect, clip: np.ndarray, probe: Probe, **options) -> np.ndarray:
    """Render a probe sound `[samples]` with the knob where all have it."""
    control = calibrate(effect, probe.amount)
    return in_memory.render(effect, clip, probe.sample_rate, control, **options)


def features(effect: Effect, probe: Probe) -> tuple[list[float], list[str]]:
    """Return what an effect does to the probe, means over its sounds, and the names.

    Loudness is matched: distance, crest factor, centroid, flatness, and the change of
    every octave's level.
    """
    belongs = spectral_distance.membership(probe.analysis)
    found = []
    for clip in probe.clips:
        wet = play(effect, clip, probe, loudness="none")
        gain = np.array([loudness.rms_gain(clip, wet)], np.float32)
        measured = change.compare(
            clip, wet[None], gain, belongs, settings=probe.analysis
        )
        plain = [float(measured[name][0]) for name in PLAIN]
        bands = np.asarray(measured["level_by_band_change_db"][0], np.float64)
        found.append([*plain, *bands.tolist()])
    bands = spectral_distance.bands(probe.analysis)
    octaves = [f"{low:.0f} to {high:.0f} Hz, dB" for low, high in bands]
    return np.mean(found, axis=0).tolist(), [*PLAIN.values(), *octaves]


def lay_out(table: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[list[str]]]:
    """Lay effects out in a plane: principal components of what they do.

    Each feature counts alike: it is centred and divided by its spread; one that no
    effect changes differently does not count.

    Args:
      table: `[effect, feature]`.
      names: of the features.

    Returns:
      `[effect, 2]` in units of the first components' own spread, and for each axis
      the three features that grow or fall most along it.
    """
    table = np.where(np.isfinite(table), table, 0.0)
    centred = table - table.mean(axis=0)
    spread = centred.std(axis=0)
    counts = spread > 1e-9
    scaled = centred[:, counts] / spread[counts]
    kept = [name for name, own in zip(names, counts, strict=True) if own]
    if scaled.shape[1] < 2:
        raise ValueError(f"effects differ in {scaled.shape[1]} features, 2 are needed")
    _, _, directions = np.linalg.svd(scaled, full_matrices=False)
    # The sign of a component is arbitrary: its largest share points up.
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    places = scaled @ directions[:2].T
    axes = [_describe(direction, kept) for direction in directions[:2]]
    return places, axes


def _describe(direction: np.ndarray, names: list[str]) -> list[str]:
    order = np.argsort(-np.abs(direction))[:3]
    return [f"{'+' if direction[i] > 0 else '-'} {names[i]}" for i in order]
