"""A map of the effects of a sweep, and the page that plays them.

Every effect is applied to the same probe sounds and measured. Similar effects lie close
together on the map.
"""

import pathlib
from typing import Any, NamedTuple

import numpy as np

from cak_jax.audio.sound_file import encode_preview
from cak_jax.data.clips import spread_clips
from cak_jax.effect.effect import Effect, load_effect
from cak_jax.effect.gate import calibrate
from cak_jax.evaluation import change, knob_response, spectral_distance
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import in_memory, loudness
from cak_jax.report.html_page import embed, fill_page
from cak_jax.runtime import json_file
from cak_jax.runtime.files import replace_file
from cak_jax.runtime.progress import Bars
from cak_jax.sweep.grid import PlannedRun, SweepSettings
from cak_jax.sweep.results import DONE, Record
from cak_jax.training import run_corpus

ASSETS = pathlib.Path(__file__).parent / "assets"
PAGE, DATA = "zoo.html", "zoo.json"
FEWEST = 3
# Of a probe sound.
SECONDS = 6.0
# One analysis measures all effects, because their own resolutions may differ.
WINDOW, HOP = 2048, 512
MEASURES = {
    "spectral_distance_matched_db": "distance, dB",
    "crest_factor_change_db": "crest factor, dB",
    "spectral_centroid_change_octaves": "centroid, octaves",
    "spectral_flatness_change_db": "flatness, dB",
    "multi_resolution_distance": "multi-resolution distance",
}
# Units of the drawing, which is as wide as the page.
WIDTH, HEIGHT, RIM = 900, 560, 40
# The last colour stands for all further values.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#888888")


class Probe(NamedTuple):
    """Sounds `[samples]` that every effect is applied to, and the calibrated amount."""

    clips: list[np.ndarray]
    sample_rate: int
    amount: float

    @property
    def analysis(self) -> SpectrogramSettings:
        """The transform that measures every effect."""
        return SpectrogramSettings(self.sample_rate, WINDOW, HOP)


class MappedEffect(NamedTuple):
    """An effect on the map: its run, swept values, features and sound (MP3)."""

    name: str
    values: dict[str, Any]
    features: dict[str, float]
    sound: bytes


def write_map(
    finished: list[PlannedRun],
    rows: dict[str, Record],
    settings: SweepSettings,
    folder: pathlib.Path,
) -> str:
    """Measure the effects of a sweep on probe sounds; write `zoo.html` and `zoo.json`.

    Return a sentence that names the page, or says why there is none. `rows` are those
    of the finished runs, by key.
    """
    done = [run for run in finished if rows[run.key]["status"] == DONE]
    if len(done) < FEWEST:
        return f"No map: {len(done)} effects are too few, {FEWEST} are needed."
    sentence = f"A map that plays lies in {folder / PAGE}."
    made_of = json_file.digest(
        [[run.key for run in done], settings.probe_clips, settings.probe_amount]
    )
    if _is_written(folder, made_of):
        return sentence
    probe = choose_probe(done[0], settings)
    effects = []
    with Bars() as bars:
        for number, run in enumerate(done, start=1):
            name = rows[run.key]["run"]
            effect = load_effect(folder / "runs" / name / "effect.json")
            wet = play(effect, probe.clips[0], probe)
            sound = encode_preview(wet[None], probe.sample_rate)
            features = measure_features(effect, probe)
            effects.append(MappedEffect(name, run.values, features, sound))
            bars(number, len(done), "playing the effects")
    measured = np.array([list(effect.features.values()) for effect in effects])
    places, axes = lay_out(measured, list(effects[0].features))
    dry = encode_preview(probe.clips[0][None], probe.sample_rate)
    page = render_page(folder.name, effects, places, axes, dry)
    replace_file(folder / PAGE, page.encode("utf-8", "replace"))
    # The data come last, because they are the sign that the page is complete.
    document = {
        "made_of": made_of,
        "axes": axes,
        "effects": [
            {"run": effect.name, "place": place.tolist(), "features": effect.features}
            for effect, place in zip(effects, places, strict=True)
        ],
    }
    json_file.write(folder / DATA, document)
    return sentence


def _is_written(folder: pathlib.Path, made_of: str) -> bool:
    """Say whether the folder holds a complete map of the same runs and settings."""
    try:
        same = bool(json_file.read(folder / DATA).get("made_of") == made_of)
    except (OSError, ValueError, AttributeError):
        return False
    return same and (folder / PAGE).exists()


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


def play(effect: Effect, clip: np.ndarray, probe: Probe, **options: Any) -> np.ndarray:
    """Render a sound `[samples]` at the amount of the probe."""
    control = calibrate(effect, probe.amount)
    return in_memory.render(
        effect, clip, probe.sample_rate, control, compiled=True, **options
    )


def measure_features(effect: Effect, probe: Probe) -> dict[str, float]:
    """Return the change of the probe by an effect, means over the sounds.

    Loudness is matched. The features are those of `MEASURES`, then the change of the
    level of every octave.
    """
    bands = spectral_distance.bands(probe.analysis)
    octaves = [f"{low:.0f} to {high:.0f} Hz, dB" for low, high in bands]
    in_band = spectral_distance.membership(probe.analysis)
    of_clips = []
    for clip in probe.clips:
        wet = play(effect, clip, probe, loudness="none", peaks="none")
        gain = np.array(
            [loudness.matching_gain(clip, wet, probe.sample_rate)], np.float32
        )
        measured = change.compare(
            clip, wet[None], gain, in_band, settings=probe.analysis
        )
        levels = np.asarray(measured["level_by_band_change_db"][0], np.float64)
        of_clips.append(
            [*(float(measured[name][0]) for name in MEASURES), *levels.tolist()]
        )
    means = np.mean(of_clips, axis=0).tolist()
    return dict(zip([*MEASURES.values(), *octaves], means, strict=True))


def lay_out(table: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[list[str]]]:
    """Place effects in a plane, by the principal components of their features.

    Every feature of the table `[effect, feature]` has the same weight: it is centred
    and divided by its standard deviation. One that never differs is left out.

    Returns:
      `[effect, 2]`, the first two components, and for each axis the three features
      that grow ("+") or fall ("-") most along it.

    Raises:
      ValueError: the effects differ in fewer than 2 features.
    """
    table = np.where(np.isfinite(table), table, 0.0)
    centred = table - table.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 1e-9
    scaled = centred[:, varies] / spread[varies]
    kept = [name for name, used in zip(names, varies, strict=True) if used]
    if scaled.shape[1] < 2:
        raise ValueError(f"effects differ in {scaled.shape[1]} features, 2 are needed")
    _, _, directions = np.linalg.svd(scaled, full_matrices=False)
    # The sign of a component is arbitrary, so its largest share is made positive.
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    places = scaled @ directions[:2].T
    axes = [_describe(direction, kept) for direction in directions[:2]]
    return places, axes


def _describe(direction: np.ndarray, names: list[str]) -> list[str]:
    order = np.argsort(-np.abs(direction))[:3]
    return [f"{'+' if direction[i] > 0 else '-'} {names[i]}" for i in order]


def render_page(
    name: str,
    effects: list[MappedEffect],
    places: np.ndarray,
    axes: list[list[str]],
    dry: bytes,
) -> str:
    """Return the page of a sweep; `dry` is the sound without any effect (MP3).

    `places` are `[effect, 2]`, `axes` the features that grow or fall along each axis.
    """
    field = colour_field(effects)
    kinds = [str(effect.values[field]) if field else "" for effect in effects]
    colours = {
        kind: COLOURS[min(number, len(COLOURS) - 1)]
        for number, kind in enumerate(dict.fromkeys(kinds))
    }
    low, high = places.min(axis=0), places.max(axis=0)
    shares = (places - low) / np.where(high > low, high - low, 1.0)
    points = [
        {
            "name": effect.name,
            "sound": embed("audio/mpeg", effect.sound),
            "colour": colours[kind],
            "left": f"{RIM + right * (WIDTH - 2 * RIM):.1f}",
            "top": f"{HEIGHT - RIM - up * (HEIGHT - 2 * RIM):.1f}",
        }
        for effect, kind, (right, up) in zip(effects, kinds, shares, strict=True)
    ]
    return fill_page(
        ASSETS / "effect_map.html",
        title=f"{name}: map of effects",
        script=(ASSETS / "effect_map.js").read_text("utf-8"),
        heading=f"{name}: {len(effects)} effects by what they do",
        right=", ".join(axes[0]),
        up=", ".join(axes[1]),
        field=field,
        kinds=[{"name": kind, "colour": colour} for kind, colour in colours.items()],
        points=points,
        dry=embed("audio/mpeg", dry),
        width=WIDTH,
        height=HEIGHT,
    )


def colour_field(effects: list[MappedEffect]) -> str:
    """Return the swept field that gives the colours; "" where none has two values.

    It is the field with the fewest values among those with at least two.
    """
    counts = {
        field: len({str(effect.values[field]) for effect in effects})
        for field in effects[0].values
    }
    several = {field: count for field, count in counts.items() if count > 1}
    return min(several, key=several.__getitem__, default="")
