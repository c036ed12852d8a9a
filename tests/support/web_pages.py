"""Helpers of the tests of the exported page; no tests here."""

import dataclasses

import numpy as np
from support.plain_render import KNOB_TABLE
from support.sounds import put

from cak_jax.data.synthetic.corpus import synthesise_clip
from cak_jax.effect import locate, text_code
from cak_jax.effect.effect import load_effect, to_document

RATE = 44100
# The level before and after the effect during the last 0.1 s.
HEARD = """
const level = analyser => {
  const sound = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(sound);
  return Math.sqrt(sound.reduce((sum, value) => sum + value * value, 0) / sound.length);
};
return app.player.before
  ? [level(app.player.before), level(app.player.after)] : [0, 0];
"""
DIFFERENCE = """
const sound = analyser => {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  return samples;
};
const [dry, wet] = [app.player.before, app.player.after].map(sound);
let least = Infinity;
// The ceiling delays the sound by 72 samples, and the audio thread may run for some
// quanta between the two reads.
for (let late = 72 - 8 * 128; late < 9 * 128; late += 128) {
  let difference = 0;
  for (let t = 1152; t < dry.length - 1152; t++)
    difference = Math.max(difference, Math.abs(wet[t] - dry[t - late]));
  least = Math.min(least, difference);
}
return least;
"""


def loud(page):
    page.wait("(() => {" + HEARD + "})()[1] > 0.003")
    return page.run(HEARD)


def address(page):
    """The parts of the address, once it shows the page's state."""
    page.wait(
        "location.hash === writeAddress({name: app.origin.name, knobs: app.knobs,"
        " effect: app.effect})"
    )
    return page.run("return location.hash.slice(1).split('&')")


def message(page, words):
    page.wait("$('message').textContent.includes(values[0])", words)
    return page.text("#message")


def sound_file(folder, name="a sound.wav", channels=2):
    sound = np.stack([synthesise_clip(i, RATE, RATE, 1) for i in (5, 6)][:channels])
    return put(folder, name, sound.T, RATE), sound


def spaced_code(name, **values):
    """The text code of a shipped effect with a spacing and a knob table."""
    given = {"spacing": (4, 3), "knob": KNOB_TABLE} | values
    effect = dataclasses.replace(load_effect(name), **given)
    return effect, text_code.encode(to_document(effect))


def code_of(name):
    return text_code.encode(locate.read(name))
