"""The change of a sound by an effect, at several controls, from rendered audio."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data import descriptors
from cak_jax.data.clips import Clips
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect
from cak_jax.evaluation import audit, spectral_distance
from cak_jax.evaluation.knob_response import controls_of, measure_turns
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import loudness

TURNS = np.array(audit.CHANGE_CONTROLS)


@functools.partial(jax.jit, static_argnames="settings")
def compare(
    dry: jax.Array,
    wets: jax.Array,
    gains: jax.Array,
    in_band: jax.Array,
    *,
    settings: SpectrogramSettings,
) -> dict[str, jax.Array]:
    """Measure how wet sounds differ from the dry one.

    Args:
      dry: `[samples]`.
      wets: `[wet, samples]`, before loudness is matched.
      gains: that match the loudness, `[wet]`.
      in_band: from `spectral_distance.membership`.
      settings: of the analysis.

    Returns:
      Name -> `[wet]` or `[wet, band]`; the names are those of `measure_change`.
    """
    dry_magnitude = jnp.abs(spectral.stft(dry, settings))
    plain = descriptors.describe(dry, dry_magnitude, settings)
    plain_resolutions = spectral_distance.resolutions(dry)
    plain_levels = spectral_distance.band_levels(dry_magnitude, in_band)
    tiny = descriptors.TINY

    def compare_one(item: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
        wet, gain = item
        magnitude = jnp.abs(spectral.stft(wet, settings))
        before, _ = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, in_band
        )
        by_gain, by_equaliser = spectral_distance.explained(dry_magnitude, magnitude)
        matched, magnitude = wet * gain, magnitude * gain
        after, by_band = spectral_distance.spectral_distance(
            dry_magnitude, magnitude, in_band
        )
        convergence, log_magnitude = spectral_distance.multi_resolution_distance(
            plain_resolutions, spectral_distance.resolutions(matched)
        )
        changed = descriptors.describe(matched, magnitude, settings)
        ratio = {
            name: (changed[name] + tiny) / (plain[name] + tiny) for name in changed
        }
        centroids = changed["spectral_centroid"], plain["spectral_centroid"]
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
            "level_by_band_change_db": spectral_distance.band_levels(magnitude, in_band)
            - plain_levels,
            "explained_by_gain": by_gain,
            "explained_by_equaliser": by_equaliser,
        }

    compared: dict[str, jax.Array] = jax.lax.map(compare_one, (wets, gains))
    return compared


def measure_change(
    effect: Effect, clips: Clips, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure the change by rendering at `TURNS` of the raw and the calibrated knob.

    Loudness is matched as rendering does by default. Three measures are taken
    before it is matched: "spectral_distance_db", "level_change_db", and the shares
    that a gain and an equaliser explain.

    Args:
      effect: that is rendered.
      clips: at the effect's sample rate.
      progress: told after every clip.

    Returns:
      "bands_hz", and for "raw" and "calibrated" the raw "control" (for "calibrated"
      the "amount" too) and, for each control, means over clips:
      "spectral_distance_db", "spectral_distance_matched_db" and that of each band;
      "multi_resolution_distance" and its two parts; the change of level
      ("level_change_db", RMS), crest factor, spectral centroid, flatness and the level
      of each band; "explained_by_gain" and "explained_by_equaliser"
      (`spectral_distance.explained`), None where nothing changes.
    """
    settings = effect.spectrogram
    in_band = spectral_distance.membership(settings)

    def measure(dry: np.ndarray, wets: np.ndarray, gains: np.ndarray) -> Any:
        compared = compare(dry, wets, gains, in_band, settings=settings)
        levels = np.array([loudness.rms(wet) for wet in wets])
        ratio = (levels + 1e-12) / (loudness.rms(dry) + 1e-12)
        return compared | {"level_change_db": 20 * np.log10(ratio)}

    document: dict[str, Any] = {
        "bands_hz": [list(band) for band in spectral_distance.bands(settings)]
    }
    measured = measure_turns(effect, clips, TURNS, measure, "rendering", progress)
    for knob, columns in measured.items():
        document[knob] = {"control": controls_of(effect, knob, TURNS).tolist()}
        if knob == "calibrated":
            document[knob]["amount"] = TURNS.tolist()
        document[knob] |= {name: _mean(values) for name, values in columns.items()}
    return document


def _mean(values: np.ndarray) -> list[Any]:
    """Return the mean over the clips that have a value; None where no clip has one."""
    present = np.isfinite(values)
    count = present.sum(axis=0)
    total = np.where(present, values, 0.0).sum(axis=0)
    mean = (total / np.maximum(count, 1)).astype(object)
    mean[count == 0] = None
    return list(mean.tolist())
