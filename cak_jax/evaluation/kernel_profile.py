"""A kernel described by its numbers: its direction, its response to ripples.

`kernel[i][j]` multiplies `x[f+i-1, t+j-1]`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cak_jax.data.clips import Clips
from cak_jax.effect.effect import Effect
from cak_jax.model import cak, spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings

# With the minus sign that matplotlib uses in its tick labels.
OFFSETS = ("\N{MINUS SIGN}1", "0", "+1")
# The keys of a document, in the order of `directional_sums`.
DIRECTIONS = (
    *("frequency_above", "frequency_centre", "frequency_below"),
    *("time_before", "time_centre", "time_after"),
    *("rising_diagonal", "falling_diagonal"),
)
# Cycles per bin and per frame: no ripple, then a slow and the fastest ripple along
# either axis, and along the diagonals.
RIPPLES = (
    *((0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.0, 0.25), (0.0, 0.5)),
    *((0.25, 0.25), (-0.25, 0.25), (0.5, 0.5)),
)


def directional_sums(kernel: np.ndarray) -> dict[str, tuple[float, float]]:
    """Add a kernel `[3, 3]` up along its rows, columns and diagonals.

    The main diagonal rises in frequency with time.

    Returns:
      Name of a direction, from the top frequency down -> the sum of its three weights
      and the root of the sum of their squares.
    """
    lines = {f"frequency {OFFSETS[i]}": kernel[i] for i in (2, 1, 0)}
    lines |= {f"time {OFFSETS[j]}": kernel[:, j] for j in range(3)}
    lines["rising diagonal"] = np.diagonal(kernel)
    lines["falling diagonal"] = np.diagonal(kernel[::-1])
    return {
        name: (float(line.sum()), float(np.sqrt((line**2).sum())))
        for name, line in lines.items()
    }


def modulation_response(
    kernel: np.ndarray, per_bin: np.ndarray, per_frame: np.ndarray
) -> np.ndarray:
    """Return the gain `[U, V]` of a kernel `[3, 3]` on ripples of a spectrogram.

    The gain on the ripple `cos(2 pi (u f + v t))` is
    `|K(u, v)| = |sum_ij kernel[i][j] exp(2 pi i (u (i-1) + v (j-1)))|`; at (0, 0) it is
    `|sum(kernel)|`.

    Args:
      kernel: `[3, 3]`.
      per_bin: `[U]` cycles per frequency bin.
      per_frame: `[V]` cycles per frame.
    """
    offset = np.array([-1, 0, 1])
    over_frequency = np.exp(2j * np.pi * np.outer(per_bin, offset))
    over_time = np.exp(2j * np.pi * np.outer(offset, per_frame))
    response: np.ndarray = np.abs(over_frequency @ kernel @ over_time)
    return response


def profile(effect: Effect) -> dict[str, Any]:
    """Describe the eleven numbers of an effect.

    Returns:
      "sum" of the kernel, "scale", "bias", "total" (sum times scale: the share that a
      full turn adds to an even spectrogram); "centre_share", `|k11| / norm(kernel)`,
      which is 1 for a plain gain and None for a kernel of zeros; "directions", with
      sum and norm of each; "response", the gain on each of `RIPPLES`.
    """
    kernel = np.asarray(effect.kernel, np.float64)
    norm = float(np.sqrt((kernel**2).sum()))
    response, (bins, frames) = [], effect.spacing
    for u, v in RIPPLES:
        per_cell = np.array([u * bins]), np.array([v * frames])
        gain = modulation_response(kernel, *per_cell).item()
        response.append({"cycles_per_bin": u, "cycles_per_frame": v, "gain": gain})
    return {
        "sum": float(kernel.sum()),
        "scale": effect.scale,
        "bias": effect.bias,
        "total": float(kernel.sum()) * effect.scale,
        "centre_share": abs(float(kernel[1, 1])) / norm if norm > 0 else None,
        "directions": {
            name: {"sum": total, "norm": length}
            for name, (total, length) in zip(
                DIRECTIONS, directional_sums(kernel).values(), strict=True
            )
        },
        "response": response,
    }


@functools.partial(jax.jit, static_argnames=("settings", "spacing"))
def _products(
    clip: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    constants: Any,
    *,
    settings: SpectrogramSettings,
    spacing: tuple[int, int],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return mean D(x) x, mean x^2 and mean D(x)^2 of a clip."""
    x = spectral.normalise(jnp.abs(spectral.stft(clip, settings)), constants)
    pattern = cak.detect(x, kernel, bias, spacing)
    return jnp.mean(pattern * x), jnp.mean(x**2), jnp.mean(pattern**2)


def gain_share_of_pattern(effect: Effect, clips: Clips) -> float | None:
    """Return the share of the learned pattern D(x) that x times a constant explains.

    It is the uncentred R2 of D(x) regressed on x, all clips pooled:
    `(sum D x)^2 / (sum x^2 sum D^2)`. It is 1 for a plain gain in the normalised
    domain.

    Returns:
      The share, 0 to 1; None where the pattern or the sound is 0 throughout.
    """
    numbers = jnp.asarray(effect.kernel, jnp.float32), jnp.float32(effect.bias)
    constants = spectral.constant_arrays(effect.normalization)
    products = [
        _products(
            jnp.asarray(clip),
            *numbers,
            constants,
            settings=effect.spectrogram,
            spacing=effect.spacing,
        )
        for clip in clips
    ]
    both, sound, pattern = np.array(jax.device_get(products), np.float64).sum(axis=0)
    return float(both**2 / (sound * pattern)) if sound * pattern > 0 else None
