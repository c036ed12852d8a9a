"""From checked values to sound and pictures, without Gradio."""

import dataclasses
import struct

import numpy as np
import pyloudnorm
import pytest
import soundfile
from support.applying import HEARD
from support.sounds import grain, put, sound

from cak_jax import load_effect
from cak_jax.apps.page import examples, rendering
from cak_jax.apps.page.request_checks import RequestError
from cak_jax.data.synthetic.corpus import name_clip
from cak_jax.effect import locate
from cak_jax.effect.effect import from_document
from cak_jax.effect.morph import morph
from cak_jax.effect.schema import EffectError
from cak_jax.rendering import loudness
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import integrated
from cak_jax.rendering.settings import RenderSettings

RATE = 22050


@pytest.fixture
def given(tmp_path):
    """An uploaded stereo sound of one second."""
    return put(tmp_path, "my loop.wav", sound(1.0, RATE, 2), RATE, subtype="PCM_16")


def test_what_is_written_is_what_render_gives(tmp_path, given):
    """Within half a step of 24 bits and its dither; shape and mix included."""
    options = {"mix": 0.7, "size": (2, 1), "flip": "time", "tilt": -0.3}
    effect, settings = load_effect("dark"), RenderSettings(**options)
    heard = rendering.read_sound(given, 60.0)
    done = rendering.write(effect, heard, 0.8, settings, given.parent)
    want = render(effect, heard.samples, RATE, amount=0.8, **options)
    assert done.sounds.wet.name == "my loop__dark_a080.wav"
    assert soundfile.info(done.sounds.wet).subtype == "PCM_24"
    found, rate = soundfile.read(done.sounds.wet)
    assert rate == RATE
    assert np.abs(found.T - want).max() <= 1.6 * 2.0**-23
    dry, _ = soundfile.read(done.sounds.dry)
    np.testing.assert_array_equal(dry.T, heard.samples)
    assert abs(integrated(found.T, RATE) - integrated(dry.T, RATE)) < 0.01
    assert load_effect(done.effect_file) == effect
    assert len(done.pictures) == 4
    for path in done.pictures:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        width, height = struct.unpack(">2L", data[16:24])
        assert width > 600 and height > 200


def test_version_2_is_rendered_and_said(given):
    heard = rendering.read_sound(given, 60.0)
    settings = RenderSettings(size=(2, 1))
    wet = rendering.apply(HEARD, heard, 0.5, settings)
    want = render(HEARD, heard.samples, RATE, amount=0.5, size=(2, 1))
    np.testing.assert_array_equal(wet, want)
    sentence = "More sustained by a factor of 2 at full turn, level +0.1 dB."
    effect = dataclasses.replace(HEARD, provenance={"heard": sentence})
    said = rendering.facts(effect, heard, wet, 0.5)
    assert said[:5] == (
        "my loop through heard at amount 0.50",
        sentence,
        "more sustained: less attack, by 0.75 natural log at amount 1",
        "even knob: amount 0.5 is 60% of the pattern, amount 1 120%",
        "cells 4 bins and 3 frames apart",
    )
    axes = rendering.draw_kernel(HEARD, settings).axes[0]
    # The size of 2 counts in time.
    assert axes.get_xticklabels()[2].get_text() == "+6"
    assert axes.get_yticklabels()[2].get_text() == "+4"


def test_amount_0_is_the_sound(given):
    heard = rendering.read_sound(given, 60.0)
    wet = rendering.apply(load_effect("dark"), heard, 0.0, RenderSettings())
    np.testing.assert_array_equal(wet, heard.samples)
    assert loudness.fitting_gain(heard.samples, wet, ceiling=rendering.LOUDEST) == 1.0
    said = rendering.facts(load_effect("dark"), heard, wet, 0.0)
    assert said[-1] == "the sound is unchanged, sample by sample"


def test_what_is_too_loud_is_turned_down_with_the_dry(tmp_path):
    """One gain for both keeps them equally loud."""
    dry, wet = np.float32([[1.5, -0.5]]), np.float32([[-2.0, 0.0]])
    gain = loudness.fitting_gain(dry, wet, ceiling=rendering.LOUDEST)
    for name, samples in {"dry": dry, "wet": wet}.items():
        rendering.write_sound(tmp_path / f"{name}.wav", samples, RATE, gain)
    found = [soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("dry", "wet")]
    assert found[1][0] == pytest.approx(-1.0, abs=3 * 2.0**-23) and found[1][1] == 0.0
    np.testing.assert_allclose(found[0], [0.75, -0.25], atol=3 * 2.0**-23)
    heard = rendering.Sound(dry, RATE, "x")
    said = rendering.facts(load_effect("bright"), heard, wet, 1.0, (gain, gain))
    assert "both turned down by 6.0 dB to fit 24 bits" in said
    assert "peak 0.0 dBFS" in said
    assert loudness.fitting_gain(np.zeros((1, 4))) == 1.0


def test_both_are_equally_loud_where_the_ceiling_takes_loudness(tmp_path):
    """Short strokes at full scale: rendering alone leaves the wet sound softer."""
    strokes = np.zeros((1, RATE), np.float32)
    strokes[0, :: RATE // 8] = 1.0
    body = grain(0, 1.0, RATE)
    dry = rendering.Sound(strokes + 0.02 * body / np.abs(body).max(), RATE, "strokes")
    wet = rendering.apply(load_effect("bright"), dry, 1.0, RenderSettings())
    pair, gains = rendering.write_pair(dry, wet, tmp_path, "wet")
    sounds = [soundfile.read(path)[0] for path in pair]
    meter = pyloudnorm.Meter(RATE)
    alone = [meter.integrated_loudness(s.T) for s in (dry.samples, wet)]
    assert alone[0] - alone[1] > 0.5
    loud = [meter.integrated_loudness(s) for s in sounds]
    assert loud[0] == pytest.approx(loud[1], abs=0.02)
    # The wet sound is what rendering gives.
    assert gains[1] == 1.0 and np.abs(sounds[1] - wet[0]).max() <= 1.6 * 2.0**-23
    said = rendering.facts(load_effect("bright"), dry, wet, 1.0, gains)
    assert said[-1].startswith("dry turned by -")


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_examples_can_be_rendered(name):
    """Short, below full scale, ending in silence, and of its instrument."""
    sound = examples.example(name)
    assert sound.seconds == 6.0 and sound.name == name
    peak = np.abs(sound.samples).max()
    assert 0.1 < peak < 1.0 and sound.samples[0, -1] == 0.0
    assert name_clip(examples.EXAMPLES[name]).split()[0] == {
        "drum loop": "drum", "plucked strings": "pluck", "pad": "pad", "bells": "bell"
    }[name]  # fmt: skip


def test_morph():
    documents = locate.read("bright"), locate.read("tones")
    effects = [from_document(document) for document in documents]
    assert rendering.make_effect(*documents, 0.25) == morph(effects, [0.75, 0.25])
    assert rendering.make_effect(*documents, 0.0) == effects[0]
    assert rendering.make_effect(documents[0]) == effects[0]


def test_code_of():
    effect = load_effect("bright")
    again = load_effect(rendering.code_of(effect))
    np.testing.assert_allclose(again.kernel, effect.kernel, rtol=1e-6)
    tiny = dataclasses.replace(effect, bias=1e-60)
    assert rendering.code_of(tiny) == ""


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("is not an audio file", b"just text, called a sound"),
        ("is not an audio file", b"PK\3\4" + bytes(100)),
        ("(it is empty)", b""),
        ("cannot be decoded", b"RIFF\xff\xff\xff\x7fWAVE" + bytes(40)),
    ],
)
def test_no_sound(tmp_path, words, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        rendering.read_sound(path, 60.0)
    assert words in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_hostile_samples(tmp_path):
    for value in (np.nan, np.inf, 1e30):
        path = put(tmp_path, "x.wav", np.array([0.1, value, 0.2]), RATE)
        with pytest.raises(RequestError, match="no numbers"):
            rendering.read_sound(path, 60.0)
    path = put(tmp_path, "x.wav", np.zeros((0, 1)), RATE)
    with pytest.raises(RequestError, match="empty"):
        rendering.read_sound(path, 60.0)
    path = put(tmp_path, "x.wav", np.zeros((10, 9)), RATE)
    with pytest.raises(RequestError, match="9 channels"):
        rendering.read_sound(path, 60.0)


def test_too_long_by_its_header_and_by_its_samples(tmp_path, monkeypatch):
    """A small file may hold hours of silence, whatever its header declares."""
    path = put(tmp_path, "x.flac", np.zeros(RATE * 90), RATE, format="FLAC",
               subtype="PCM_16")  # fmt: skip
    with pytest.raises(RequestError, match=r"too long: 1 minutes"):
        rendering.read_sound(path, 60.0)
    data = bytearray(path.read_bytes())
    # STREAMINFO's number of samples, the last 36 bits before the checksum: unknown.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert rendering.sound_file.info(path).frames != RATE * 90
    read = []
    blocks = rendering.sound_file.blocks

    def counted(path, **options):
        for block in blocks(path, **options):
            read.append(len(block))
            yield block

    monkeypatch.setattr(rendering.sound_file, "blocks", counted)
    with pytest.raises(RequestError, match="too long"):
        rendering.read_sound(path, 10.0)
    assert sum(read) <= RATE * 10 + 2 * rendering.sound_file.BLOCK_FRAMES
    monkeypatch.setattr(rendering, "MOST_SAMPLES", 1000)
    with pytest.raises(RequestError, match="too long"):
        rendering.read_sound(put(tmp_path, "y.wav", np.zeros(1001), RATE), 10.0)


def test_hostile_effects(given, monkeypatch):
    """Allowed numbers that make no sound, or too much work."""
    heard = rendering.read_sound(given, 60.0)
    document = locate.read("bright")
    document["normalization"] |= {"low": -50.0, "high": 50.0, "gamma": 0.01}
    document["normalization"]["alpha"] = 1e-6
    document["kernel"], document["scale"] = [[1e4] * 3] * 3, 1e4
    with pytest.raises(EffectError, match="make no sound"):
        rendering.apply(from_document(document), heard, 2.0, RenderSettings())
    monkeypatch.setattr(rendering, "MOST_WORK", 2 * 44100)
    with pytest.raises(RequestError, match="can take 0 seconds"):
        rendering.apply(load_effect("bright"), heard, 1.0, RenderSettings())


def test_spectra_of_a_sine():
    """The peak is at the sine's bin, with full level, for any length."""
    for seconds in (0.01, 0.3, 20.0):
        time = np.arange(round(seconds * 8192)) / 8192
        sine = np.sin(2 * np.pi * 1024 * time).astype(np.float32)
        found = rendering.spectra(np.stack([sine, -sine]))
        assert found.shape[0] == 1025 and 1 <= found.shape[1] <= 1000
        assert set(np.argmax(found, axis=0)[1:-1]) <= {256}
    # A Hann window's sum is half its length, a sine's line half its amplitude.
    assert np.median(found[256]) == pytest.approx(20 * np.log10(2048 / 4), abs=0.01)
