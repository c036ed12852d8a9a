"""What the exported page reads and writes, in a real Chromium: addresses, WAV."""

import numpy as np
import pytest
import soundfile
from support import browser
from support.browser import PACKING, packed
from support.plain_render import KNOB_TABLE, noise
from support.web_pages import code_of, spaced_code

from cak_jax.effect import locate
from cak_jax.effect.effect import Quality, load_effect


def test_codes_and_addresses_go_there_and_back(page):
    for name in locate.names():
        code = code_of(name)
        decoded = page.run("return decodeEffect(values[0])", code)
        effect = load_effect(name)
        kernel = np.float32(effect.kernel).ravel()
        np.testing.assert_array_equal(np.float32(decoded["kernel"]), kernel)
        assert decoded["hop"] == effect.spectrogram.hop_length
        assert page.run("return encodeEffect(decodeEffect(values[0]))", code) == code
    state = {"name": "ä & <b>", "knobs": {"amount": 0.25, "mix": 0.5, "tilt": -0.3,
                                          "size": [2, 16], "flip": "both"}}  # fmt: skip
    script = """const effect = decodeEffect(values[0]);
        const {name, knobs} = readAddress(writeAddress({effect, ...values[1]}));
        return {name, knobs};"""
    assert page.run(script, code_of("published"), state) == state


@pytest.mark.parametrize(
    "values",
    [{}, {"spacing": (1, 1)}, {"knob": None}, {"spacing": (16, 1), "knob": None},
     {"quality": Quality("-attack", "natural log", 0.75)},
     {"quality": Quality("spectral_flatness", "dB", 28.0), "knob": None}],
)  # fmt: skip
def test_codes_of_version_2_go_there_and_back(page, values):
    effect, code = spaced_code("published", **values)
    assert len(code) == 180
    found = page.run("return decodeEffect(values[0])", code)
    assert found["spacing"] == list(effect.spacing)
    knob = None if effect.knob is None else np.float32(effect.knob).tolist()
    assert found["knob"] == knob
    place = {"-attack": -3, "spectral_flatness": 1, None: 0}
    assert found["quality"] == place[effect.quality and effect.quality.name]
    assert found["range"] == (effect.quality.range if effect.quality else 0)
    assert page.run("return encodeEffect(decodeEffect(values[0]))", code) == code


def test_what_is_wrong_with_an_address_is_a_sentence(page):
    code = code_of("published")
    for text, words in [
        ("", "This is no text code"),
        ("cak3" + code[4:], "This is no text code"),
        ("cak2" + code[4:], "is damaged: copy all of it"),
        (code[:-1], "is damaged: copy all of it"),
        (code[:-1] + ("A" if code[-1] != "A" else "B"), "its checksum does not fit"),
        (code + "&amount=2", "amount=2, not 0 to 1"),
        (code + "&tilt=", "tilt=, not -1 to 1"),
        (code + "&size=0x1", "size=0x1, not two numbers from 1 to 16"),
        (code + "&flip=up", "flip=up; it is one of none, time"),
        (code + "&name=%ff", "a name that cannot be read"),
        (code + "&speed=1", "speed, which this page does not know"),
    ]:
        said = page.run("try { readAddress(values[0]) } catch (error) "
                        "{ return error.message }", f"#{text}")  # fmt: skip
        assert words in said and said.endswith(".")


def test_an_odd_effect_in_an_address_is_refused_by_name(page):
    for change, words in [
        ({"nFft": 3000}, "FFT size is 3000; this page needs a power of two"),
        ({"nFft": 2**30}, "FFT size is 1073741824; this page takes 16 to 65536"),
        ({"hop": 0}, "hop is 0"),
        ({"hop": 1000}, "hop of 1000 does not divide"),
        ({"sampleRate": 100}, "sample rate is 100; this page takes 8000"),
        ({"bias": 1e9}, "bias is 1000000000"),
        ({"high": -1.0}, "high is -1"),
        ({"spacing": [0, 1]}, "spacing is 0; this page takes 1 to 16"),
        ({"spacing": [1, 17]}, "spacing is 17; this page takes 1 to 16"),
        ({"quality": 1}, "range is 0"),
        ({"knob": [0.1, *KNOB_TABLE[1:]]}, "knob[0] is 0.1"),
        ({"knob": [*KNOB_TABLE[:8], 5]}, "knob[8] is 5; this page takes 0 to 4"),
        ({"knob": [*KNOB_TABLE[:8], 0.5]}, "knob[8] must be above knob[7]"),
    ]:
        said = page.run(
            "const code = encodeEffect({...decodeEffect(values[0]), ...values[1]});"
            "try { decodeEffect(code) } catch (error) { return error.message }",
            code_of("published"), change,
        )  # fmt: skip
        assert words in said
    said = page.run("const effect = decodeEffect(values[0]); effect.kernel[5] = NaN;"
                    "try { decodeEffect(encodeEffect(effect)) } catch (error) "
                    "{ return error.message }", code_of("published"))  # fmt: skip
    assert "kernel[1][2] is NaN" in said


@pytest.mark.parametrize("channels, samples", [(1, 1001), (2, 777)])
def test_the_file_is_a_24_bit_wav(page, tmp_path, channels, samples):
    sound = noise(channels, samples)
    sound[0, :4] = [0.5, -1.0, 0.25, 1.0]
    script = ("const bytes = new Uint8Array(encodeWav(unpacked(values[0]), 22050));"
              "return packed([bytes])[0]")  # fmt: skip
    (tmp_path / "x.wav").write_bytes(
        browser.decoded(page.run(PACKING + script, packed(sound)))
    )
    info = soundfile.info(tmp_path / "x.wav")
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (
        22050, channels, samples, "PCM_24",
    )  # fmt: skip
    found = soundfile.read(tmp_path / "x.wav", dtype="int32", always_2d=True)[0].T >> 8
    steps = sound.astype(np.float64) * 2**23
    assert np.abs(found - np.minimum(steps, 2**23 - 1)).max() <= 1.5
    # Whole steps are left alone, others are dithered: an error of mean 0, power 1/4.
    np.testing.assert_array_equal(found[0, :4], [2**22, -(2**23), 2**21, 2**23 - 1])
    error = (found - steps)[:, 4:]
    assert abs(error.mean()) < 0.1 and 0.18 < np.square(error).mean() < 0.32
