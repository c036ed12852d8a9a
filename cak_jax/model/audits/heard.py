"""The heard audit: a change of what the resynthesised sound is like to the ear.

Ours; not in the paper. Its measure is a weighted sum of changes of level-free qualities
(`model/qualities.py`), between the crop and the crop as the effect plays it. So the
kernel matters by what it does to the sound, and a mere gain is worth nothing.

One pattern moves a sound the further the less of the quality it has: over held-out
clips the change at full turn has a correlation with the clip's own value of -0.67 to
-1.00 for flatness and -0.98 for attack (experiments/heard_audit.md). So the request is
a share of the way from the sound to a target.
"""

import math

import jax
import jax.numpy as jnp

from cak_jax.model import qualities
from cak_jax.model.audits import relative
from cak_jax.model.audits.protocol import Hearing
from cak_jax.model.layers import Params
from cak_jax.model.resynthesis import Sound, middle, resynthesise

# The measure bends with the amount, so an evaluation needs more than the two ends.
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 0.875, 1.0)
HEARS = True
INAUDIBLE = relative.INAUDIBLE
# Mean squares below this count as silence: -90 dBFS.
SILENCE = 1e-9


def listen(
    y: jax.Array,
    x: jax.Array,
    sound: Sound,
    frames_aside: int,
    reader: jax.Array,
    target: jax.Array | float = math.inf,
) -> Hearing:
    """Play a changed spectrogram back and measure it.

    All terms of a game read one hearing, so that there is one way back through the
    resynthesis for their gradients.

    Args:
      y, x: output and input `[batch, freq, frame]`, normalised, of the whole band.
      sound: that x is the spectrogram of.
      frames_aside: frames between the kernel's cells.
      reader, target: see `Hearing`.
    """
    settings, rate = sound.settings, sound.settings.sample_rate
    before = middle(sound.samples, settings, frames_aside)
    after = middle(resynthesise(y, x, sound), settings, frames_aside)
    dry = qualities.measure(before, rate)

    def energy(audio: jax.Array) -> jax.Array:
        return jnp.mean(audio**2, axis=-1) + SILENCE

    bels = jnp.log10(energy(after) / energy(before))
    return Hearing(qualities.measure(after, rate) - dry, bels, dry, reader, target)


def measure(
    params: Params, y: jax.Array, x: jax.Array, hearing: Hearing | None = None
) -> jax.Array:
    """Return the change in units of the request, `[batch]`; see `protocol.Audit`."""
    del params, y, x
    hearing = _present(hearing)
    return hearing.moved @ hearing.reader


def room(x: jax.Array, hearing: Hearing | None = None) -> jax.Array:
    """Return the way of each sound to the target, `[batch]`, in units of the range.

    0 for a sound that is beyond it; 1 for all where the target is infinite.
    """
    del x
    hearing = _present(hearing)
    known = jnp.isfinite(hearing.target)
    target = jnp.where(known, hearing.target, 0.0)
    way = jnp.maximum(target - hearing.dry @ hearing.reader, 0.0)
    return jnp.where(known, way, 1.0)


def _present(hearing: Hearing | None) -> Hearing:
    if hearing is None:
        raise ValueError("the heard audit needs the sound behind the spectrograms")
    return hearing


def audible(x: jax.Array) -> jax.Array:
    """Say in which inputs anything sounds."""
    return relative.audible(x)
