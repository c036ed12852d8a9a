"""What an effect does to sound, by control: from rendered audio."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import descriptors
from cak_jax.effect.effect import Effect
from cak_jax.evaluation import audit, spectral_distance
from cak_jax.evaluation.knob_response import (
    KNOBS,
    Progress,
    Rows,
    controls_of,
    over_clips,
)
from cak_jax.model import spectral
from cak_jax.rendering import in_memory, loudness

TURNS = np.array(audit.CHANGE_CONTROLS)


@functools.partial(jax.jit, static_argnames="settings")
def compare(dry, wets, gains, belongs, *, settings):
    """Measure how wet sounds differ from the dry one.

    Args:
      dry: `[samples]`.
      wets: `[wet, samples]`, before loudness is matched.
      gains: that match it, `[wet]`.
      belongs: of `timbre.membership`.
      settings: of the analysis.

    Returns:
      Name -> `[wet]` or `[wet, band]`; the names are those of `measure_change`.
    """
    dry_magnitude = jnp.abs(spectral.stft(dry, settings))
    plain = descriptors.describe(dry, dry_magnitude, settings)
    plain_resolutions = spectral_distance.resolutions(dry)
    plain_levels = spectral_distance.band_levels(dry_magnitude, belongs)
    tiny = descriptors.TINY

    def one(item):
        wet, gain = item
        magnitude = jnp.abs(spectral.stft(wet, settings))
        before, _ = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, belongs
        )
        by_gain, by_equaliser = spectral_distance.explained(dry_magnitude, magnitude)
        matched, magnitude = wet * gain, magnitude * gain
        after, by_band = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, belongs
        )
        convergence, log_magnitude = spectral_distance.multi_resolution_distance(
            plain_resolutions, spectral_distance.resolutions(matched)
        )
        found = descriptors.describe(matched, magnitude, settings)
        ratio = {name: (found[name] + tiny) / (plain[name] + tiny) for name in found}
        centroids = found["spectral_centroid"], plain["spectral_centroid"]
        return {
            "spectral_distance_db": before,
            "spectral_distance_matched_db": after,
            "spectral_distance_by_band_db": by_band,
            "multi_resolution_distance": convergence + log_magnitude,
            "spectral_convergence": convergence,
            "log_magnitude_distance": log_magnitude,
            "crest_factor_change_db": 20 * jnp.log10(ratio["crest_factor"]),
            "spectral_centroid_change_hz": centroids[0] - centroids[1],
            "spectral_centroid_change_octaves": jnp.log2(ratio["spectral_centroid"]),
            "spectral_flatness_change_db": 10 * jnp.log10(ratio["spectral_flatness"]),
            "level_by_band_change_db": spectral_distance.band_levels(magnitude, belongs)
            - plain_levels,
            "explained_by_gain": by_gain,
            "explained_by_equaliser": by_equaliser,
        }

    return jax.lax.map(one, (wets, gains))


def measure_change(
    effect: Effect, rows: Rows, count: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure what rendering at `TURNS` of the raw and the calibrated knob changes.

    Loudness is matched (by RMS, as rendering does by default) before all but the
    first, the level's change and what a gain or an equaliser explains.

    Args:
      effect: what is rendered.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips.
      progress: called as `progress(done, total, what)`.

    Returns:
      "bands_hz", and for "raw" and "calibrated" the raw "control" (and, calibrated,
      the "amount") and, mean over clips, for each control:
      "spectral_distance_db", "spectral_distance_matched_db", and that of each band;
      "multi_resolution_distance" and its two parts; "level_change_db" (RMS), that of
      crest factor, spectral centroid and flatness, and of each band's level;
      "explained_by_gain", "explained_by_equaliser" (`timbre.explained`), None
      where nothing changes.
    """
    settings, rate = effect.spectrogram, effect.spectrogram.sample_rate
    belongs = spectral_distance.membership(settings)
    controls = {knob: controls_of(effect, knob, TURNS) for knob in KNOBS}

    def measure_one(index):
        dry = np.asarray(rows(index))
        wets = [
            in_memory.render(effect, dry, rate, float(c), loudness="none")
            for c in np.concatenate(list(controls.values()))
        ]
        gains = np.array([loudness.rms_gain(dry, wet) for wet in wets], np.float32)
        compared = compare(dry, np.stack(wets), gains, belongs, settings=settings)
        levels = [loudness.rms(wet) for wet in wets]
        ratio = (np.array(levels) + 1e-12) / (loudness.rms(dry) + 1e-12)
        return jax.device_get(compared) | {"level_change_db": 20 * np.log10(ratio)}

    found = over_clips(measure_one, count, "rendering", progress)
    document: dict[str, Any] = {
        "bands_hz": [list(band) for band in spectral_distance.bands(settings)]
    }
    for number, knob in enumerate(KNOBS):
        own = slice(number * len(TURNS), (number + 1) * len(TURNS))
        document[knob] = {"control": controls[knob].tolist()}
        if knob == "calibrated":
            document[knob]["amount"] = TURNS.tolist()
        for name in found[0]:
            values = np.stack([clip[name][own] for clip in found]).astype(np.float64)
            document[knob][name] = _mean(values)
    return document


def _mean(values: np.ndarray) -> list:
    """Return the mean over clips that have a value, None where none has."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    mean = np.where(count, total / np.maximum(count, 1), np.nan)
    return np.where(np.isfinite(mean), mean.astype(object), None).tolist()
