"""Sounds that the page offers from the start, made by the synthetic instruments."""

import functools

import numpy as np

from cak_jax.apps.page import rendering
from cak_jax.data.synthetic.corpus import set_level, synthesise_clip

OWN = "a sound of mine"
# Name -> number of a clip, whose instrument it is; see `data/synthetic/corpus.py`.
EXAMPLES = {"drum loop": 3, "plucked strings": 10, "pad": 5, "bells": 6}
CHOICES = (*EXAMPLES, OWN)
SECONDS, RATE, SEED = 6.0, 44100, 0
LEVEL = -20.0  # dBFS RMS
FADE = 0.05  # seconds at the end, because a cut is heard as a click


@functools.cache
def example(name: str) -> rendering.Sound:
    """Return one of `EXAMPLES`."""
    samples = synthesise_clip(EXAMPLES[name], round(SECONDS * RATE), RATE, SEED)
    fade = round(FADE * RATE)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return rendering.Sound(set_level(samples, LEVEL)[None], RATE, name)
