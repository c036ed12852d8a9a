"""The audio thread of the exported page, in a real Chromium, against the package."""

import dataclasses
import functools
import math

import numpy as np
import pytest
from support.browser import PACKING, packed, unpacked
from support.plain_render import KERNEL, plain_residual
from support.web_pages import RATE, code_of, spaced_code

from cak_jax.data.synthetic import corpus
from cak_jax.effect.effect import Effect, load_effect
from cak_jax.effect.gate import share
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering import in_memory
from cak_jax.rendering.ceiling import DelayedCeiling
from cak_jax.rendering.loudness import matching_gain
from cak_jax.rendering.settings import RenderSettings
from cak_jax.rendering.stream import Stream

PLAIN = {"amount": 0.7, "mix": 1, "size": [1, 1], "flip": "none", "tilt": 0}
# One graph as the page makes them, rendered as it comes: which of the two outputs, with
# what options, and what is turned after so many seconds.
GRAPH = """
const [sound, code, knobs, options, output, turned] = values;
const settings = {...decodeEffect(code), ...knobs, bypass: false};
const planes = unpacked(sound);
const context = new OfflineAudioContext(
  planes.length, planes[0].length, settings.sampleRate);
const node = await makeNode(context, settings, planes.length,
  {frames: Infinity, matchSeconds: 0, ceiling: false, ...options});
const source = new AudioBufferSourceNode(context, {buffer: bufferOf(context, planes)});
source.connect(node).connect(context.destination, output);
source.start();
if (turned) context.suspend(turned.seconds).then(async () => {
  node.port.postMessage({...settings, ...turned.knobs});
  await new Promise(next => setTimeout(next, 200));
  context.resume();
});
return packed(planesOf(await context.startRendering()));
"""


@functools.cache
def sounds(seconds=1.0):
    """Stereo noise; two sines that fade in and out; a loop with a bell and a chirp.

    The sines have a floor of noise at -80 dBFS, because effects that fill gaps lift
    what lies between them: without a floor, rounding errors.
    """
    count = round(seconds * RATE)
    noise = np.random.default_rng(0).normal(size=(2, count)) * [[0.1], [0.04]]
    fade = np.sin(np.linspace(0, np.pi, count)) ** 2
    loop = [corpus.synthesise_clip(index, count, RATE, 0) for index in (5, 6)]
    found = {
        "noise": noise,
        "sine": sines(count) * fade + 1e-3 * noise,
        "loop": np.stack(loop),
    }
    return {name: sound.astype(np.float32) for name, sound in found.items()}


def sines(count):
    return 0.3 * np.sin(2 * np.pi * np.outer([997.3, 3511.7], np.arange(count)) / RATE)


def offline(page, sound, code, knobs):
    """What the page renders, and how late it says that it comes."""
    late, planes = page.run(
        PACKING + "const [sound, code, knobs] = values;"
        "const settings = {...decodeEffect(code), ...knobs};"
        "return [latencyOf(settings),"
        " packed(await renderOffline(unpacked(sound), settings))];",
        packed(sound), code, PLAIN | knobs,
    )  # fmt: skip
    return late, unpacked(planes)


def graph(page, sound, code, knobs=None, options=None, output=0, turned=None):
    arguments = packed(sound), code, PLAIN | (knobs or {}), options or {}, output
    return unpacked(page.run(PACKING + GRAPH, *arguments, turned))


def decibels(found, wanted):
    error = np.square(found.astype(np.float64) - wanted).sum()
    return 10 * np.log10(error / np.square(wanted, dtype=np.float64).sum())


@pytest.mark.parametrize("kind", ["noise", "sine", "loop"])
@pytest.mark.parametrize(
    "name, knobs",
    [
        ("published", {"size": [2, 3]}),
        ("bright", {}),
        ("tones", {"flip": "time", "tilt": 0.6}),
        ("noise", {"flip": "both", "tilt": -0.4, "mix": 0.6, "size": [3, 1]}),
    ],
)
def test_equals_the_package_a_latency_later(page, kind, name, knobs):
    sound, effect = sounds()[kind], load_effect(name)
    late, found = offline(page, sound, code_of(name), knobs)
    options = PLAIN | knobs | {"size": tuple((PLAIN | knobs)["size"])}
    wanted = in_memory.render(
        effect, sound, RATE, loudness="none", peaks="none", **options
    )
    settings = effect.spectrogram
    # Both are powers of two, and the quantum of 128 divides half a window.
    wait = min(128, settings.hop_length)
    # And a segment of the limit, 16 samples.
    assert late == settings.n_fft + options["size"][0] * settings.hop_length - wait + 16
    assert found.shape == (2, sound.shape[-1] + late)
    assert not found[:, :late].any()
    change = decibels(sound, wanted)
    assert change > -40  # else there would be nothing to compare
    assert decibels(found[:, late:], wanted) < -100


@pytest.mark.parametrize("knobs", [{}, {"amount": 0.31, "size": [2, 3]}], ids=str)
@pytest.mark.parametrize("name", ["published", "tones"])
def test_spacing_and_the_knobs_table_equal_the_package(page, name, knobs):
    (effect, code), sound = spaced_code(name), sounds()["loop"]
    late, found = offline(page, sound, code, knobs)
    options = PLAIN | knobs | {"size": tuple((PLAIN | knobs)["size"])}
    wanted = in_memory.render(
        effect, sound, RATE, loudness="none", peaks="none", **options
    )
    settings = effect.spectrogram
    frames = 3 * options["size"][0]
    wait = min(128, settings.hop_length)
    assert late == settings.n_fft + frames * settings.hop_length - wait + 16
    assert decibels(found[:, late:], wanted) < -100
    # Both matter: without either of them the sound is another one.
    for plain in ({"spacing": (1, 1)}, {"knob": None}):
        other = dataclasses.replace(effect, **plain)
        other = in_memory.render(
            other, sound, RATE, loudness="none", peaks="none", **options
        )
        assert decibels(other, wanted) > -60


@pytest.mark.parametrize("name", ["noise", "tones"])
def test_where_rounding_is_heard_it_is_nearer_to_the_truth(page, name):
    """Hard cuts lift bins beside them that hold nothing but rounding errors.

    There the package itself, in float32, is this far from double precision.
    """
    effect, count = load_effect(name), RATE // 2
    cut = sines(count).astype(np.float32)
    gap = corpus.synthesise_clip(0, count, RATE, 0)[None]
    gap[:, count // 3 : count // 2] = 0.0
    for sound in (cut, gap):
        late, found = offline(page, sound, code_of(name), {})
        own = in_memory.render(
            effect, sound, RATE, amount=0.7, loudness="none", peaks="none"
        )
        added = plain_residual(effect, sound, factors=share(effect, 0.7) * effect.scale)
        errors = [decibels(s, sound + added) for s in (found[:, late:], own)]
        assert errors[0] < errors[1] - 3 and errors[0] < -55


@pytest.mark.parametrize("knobs", [{"amount": 0}, {"mix": 0}], ids=str)
@pytest.mark.parametrize("name", ["bright", "noise"])
def test_nothing_is_nothing(page, name, knobs):
    for sound in sounds(0.3).values():
        late, found = offline(page, sound, code_of(name), knobs)
        assert found[:, late:].tobytes() == sound.tobytes()


def test_mono_equals_mono(page):
    sound = sounds()["loop"][:1]
    late, found = offline(page, sound, code_of("bright"), {})
    wanted = in_memory.render(load_effect("bright"), sound, RATE, amount=0.7,
                           loudness="none", peaks="none")  # fmt: skip
    assert found.shape[0] == 1 and decibels(found[:, late:], wanted) < -100


@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_short_sounds_equal_too(page, samples):
    sound = sounds()["noise"][:, :samples]
    late, found = offline(page, sound, code_of("tones"), {})
    wanted = in_memory.render(load_effect("tones"), sound, RATE, amount=0.7,
                           loudness="none", peaks="none")  # fmt: skip
    # In dB of the sound, because of a click this effect leaves next to nothing.
    error = np.square(found[:, late:].astype(np.float64) - wanted).sum()
    assert error < 1e-10 * np.square(sound, dtype=np.float64).sum()


def test_latency_is_calculated(page):
    def late(n, hop, h, frames=1):
        return page.run(
            "return latencyOf(values[0])",
            dict(nFft=n, hop=hop, size=[h, 1], spacing=[7, frames]),
        )

    for n in (16, 64, 512, 8192):
        for hop in (n // 2, n // 4, n // 16):
            for h in (1, 5):
                g = math.gcd(128, hop)
                segment = math.gcd(16, hop, n // 2)  # of the limit
                assert late(n, hop, h) == n + h * hop - g + -n // 2 % g + segment
                apart = 4 * h * hop
                assert late(n, hop, h, 4) == n + apart - g + -n // 2 % g + segment
    effect = Effect(
        "x", KERNEL, 0.0, 1.0, spectrogram=SpectrogramSettings(8000, 64, 16)
    )
    settings = RenderSettings(loudness="none", peaks="none", size=(3, 1))
    stream = Stream(effect, 8000, 1, 128, amount=0.5, settings=settings)
    assert late(64, 16, 3) == stream.latency


def test_the_other_output_is_the_dry_sound_as_late(page):
    sound = sounds(0.3)["noise"]
    found = graph(page, sound, code_of("bright"), {"amount": 1}, output=1)
    late = 2048 + 512 - 128 + 16
    assert not found[:, :late].any()
    assert found[:, late:].tobytes() == sound[:, :-late].tobytes()


def test_live_it_is_the_stream_with_match_and_ceiling(page):
    size, count = 128, 340
    sound = sounds()["loop"][:, : size * count] * np.float32(4.0)
    options = {"matchSeconds": 0.25, "ceiling": True}
    found = graph(page, sound, code_of("noise"), options=options)
    settings = RenderSettings(peaks="none")
    stream = Stream(load_effect("noise"), RATE, 2, size, amount=0.7,
                    match_seconds=0.25, settings=settings)  # fmt: skip
    ceiling, lowest, parts = DelayedCeiling(RATE, 2, size), 1.0, []
    for block in np.split(sound, count, axis=1):
        parts.append(ceiling(stream.process(block)))
        lowest = min(lowest, ceiling.lowest)
    assert lowest < 0.9  # it had to be held
    assert decibels(found, np.concatenate(parts, axis=1)) < -100
    assert np.abs(found).max() <= 10 ** (-1 / 20) * (1 + 1e-6)


@pytest.mark.parametrize("seconds", [0.3, 3.0])
@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_its_loudness_is_the_packages(page, rate, seconds):
    """Through the gates, and without them for a sound that is too short."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(1).normal(size=(2, len(time)))
    dry = 0.1 * noise * np.where(time % 1 < 0.5, 1.0, 0.01)
    wet = 0.2 * np.cumsum(dry, axis=1)
    dry, wet = np.float32(dry), np.float32(wet)
    found = page.run(
        PACKING + "const [a, b, rate] = values;"
        "return matchingGain(unpacked(a), unpacked(b), rate);",
        packed(dry), packed(wet), rate,
    )  # fmt: skip
    assert found == pytest.approx(matching_gain(dry, wet, rate), rel=1e-5)
    assert abs(found / matching_gain(dry, wet, rate, "rms") - 1) > 0.1


def test_bad_samples_become_silence(page):
    sound = sounds(0.3)["noise"].copy()
    clean = sound.copy()
    sound[0, 100:103], clean[0, 100:103] = [np.nan, np.inf, -20.0], 0.0
    given = code_of("noise"), None, {"matchSeconds": 0.1}
    found, wanted = (graph(page, s, *given) for s in (sound, clean))
    np.testing.assert_array_equal(found, wanted)


def test_a_turn_is_heard_from_its_frame_on(page):
    sound = sounds(0.6)["noise"]
    turned = {
        "seconds": 0.3,
        "knobs": {"amount": 1, "kernel": [0, 0, 0, 0, 1, 0, 0, 0, 0]},
    }
    code = code_of("noise")
    found = graph(page, sound, code, turned=turned)
    before = graph(page, sound, code)
    after = graph(page, sound, code, turned["knobs"])
    place, near = round(0.3 * RATE), 2 * 512 + 128
    np.testing.assert_array_equal(found[:, : place - near], before[:, : place - near])
    np.testing.assert_array_equal(found[:, place + near :], after[:, place + near :])
    assert decibels(before, after) > -20
