"""The heard audit: a change of what the resynthesised sound is like to the ear.

Ours; not in the paper. Its measure is a weighted sum of changes of level-free qualities
(`model/qualities.py`), between the crop and the crop as the effect plays it. So the
kernel matters by what it does to the sound, and a mere gain is worth nothing.

One pattern moves a sound the further the less of the quality it has: over held-out
clips the change at full turn has a correlation with the clip's own value of -0.67 to
-1.00 for flatness and -0.98 for attack (experiments/heard_audit.md). So the request is
a share of the way from the sound to a target.
"""

import jax
import jax.numpy as jnp

from cak_jax.model import qualities
from cak_jax.model.audits import relative
from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.layers import Params
from cak_jax.model.resynthesis import middle, resynthesise

# The measure bends with the amount, so an evaluation needs more than the two ends.
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 0.875, 1.0)
HEARS = True
INAUDIBLE = relative.INAUDIBLE
# Mean squares below this count as silence: -90 dBFS.
SILENCE = 1e-9


def changes(
    y: jax.Array, x: jax.Array, hearing: Hearing
) -> tuple[jax.Array, jax.Array]:
    """Return the change of each quality `[batch, quality]`, and of the level `[batch]`.

    The level's change is in bels (10 dB), of the energy.

    Args:
      y, x: output and input `[batch, freq, frame]`, normalised, of the whole band.
      hearing: see `Hearing`; its reader is not used.
    """
    sound, aside = hearing.sound, hearing.frames_aside
    settings, rate = sound.settings, sound.settings.sample_rate
    dry = middle(sound.samples, settings, aside)
    wet = middle(resynthesise(y, x, sound), settings, aside)
    moved = qualities.measure(wet, rate) - qualities.measure(dry, rate)

    def energy(audio: jax.Array) -> jax.Array:
        return jnp.mean(audio**2, axis=-1) + SILENCE

    return moved, jnp.log10(energy(wet) / energy(dry))


def measure(
    params: Params, y: jax.Array, x: jax.Array, hearing: Hearing | None = None
) -> jax.Array:
    """Return the change in units of the request, `[batch]`; see `protocol.Audit`."""
    del params
    if hearing is None:
        raise ValueError("the heard audit needs the sound behind the spectrograms")
    return changes(y, x, hearing)[0] @ hearing.reader


def room(x: jax.Array, hearing: Hearing | None = None) -> jax.Array:
    """Return the way of each sound to the target, `[batch]`, in units of the range.

    0 for a sound that is beyond it; 1 for all where the target is infinite.
    """
    if hearing is None:
        raise ValueError("the heard audit needs the sound behind the spectrograms")
    sound, target = hearing.sound, hearing.target
    dry = middle(sound.samples, sound.settings, hearing.frames_aside)
    reading = qualities.measure(dry, sound.settings.sample_rate) @ hearing.reader
    known = jnp.isfinite(target)
    way = jnp.maximum(jnp.where(known, target, 0.0) - reading, 0.0)
    return jnp.where(known, way, 1.0)


def audible(x: jax.Array) -> jax.Array:
    """Say in which inputs anything sounds."""
    return relative.audible(x)
