"""Files in the exported page, in a real Chromium, beside the package's own decoder."""

import base64
import io
import struct

import numpy as np
import soundfile
import soxr
from support.browser import PACKING, unpacked
from support.web_pages import RATE

from cak_jax.audio import sound_file

OPEN = """
const [name, data, rate] = values;
const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
const { planes, channels, notes } = await decodeFile(new File([bytes], name), rate);
return { planes: packed(planes), channels, notes };
"""
REFUSED = (
    "try { await decodeFile(new File([new Uint8Array(values[1])], values[0]), 44100) }"
)
REFUSED += " catch (error) { return error.message }"


def noise(seconds=0.2, channels=2, seed=0):
    samples = np.random.default_rng(seed).uniform(
        -1, 1, (round(seconds * RATE), channels)
    )
    samples[0] = -1.0
    return samples


def encoded(samples=None, format="WAV", subtype="PCM_16", endian="FILE", rate=RATE):
    file = io.BytesIO()
    samples = noise() if samples is None else samples
    soundfile.write(file, samples, rate, subtype, endian, format)
    return file.getvalue()


def opened(page, data, name="x.wav", rate=RATE):
    text = base64.b64encode(data).decode()
    found = page.run(PACKING + OPEN, name, text, rate)
    return unpacked(found["planes"]), found["channels"], found["notes"]


SUBTYPES = {
    "WAV": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
    "WAVEX": ("PCM_16", "PCM_24", "FLOAT"),
    "RF64": ("PCM_24", "FLOAT"),
    "W64": ("PCM_U8", "PCM_16", "DOUBLE"),
    "AIFF": (
        "PCM_S8",
        "PCM_U8",
        "PCM_16",
        "PCM_24",
        "PCM_32",
        "FLOAT",
        "DOUBLE",
        "ULAW",
    ),
    "CAF": ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW"),
    "AU": ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
    "FLAC": ("PCM_S8", "PCM_16", "PCM_24"),
}


ENDIANS = [
    ("PCM_16", "LITTLE"),
    ("PCM_16", "BIG"),
    ("PCM_24", "BIG"),
    ("PCM_32", "BIG"),
]


def test_lossless_formats_are_exact(page):
    for format, subtypes in SUBTYPES.items():
        kinds = [(subtype, "FILE") for subtype in subtypes]
        kinds += ENDIANS if format in ("WAV", "AIFF", "CAF") else []
        for number, (subtype, endian) in enumerate(kinds):
            data = encoded(noise(0.05, 1 + number % 2), format, subtype, endian)
            wanted = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
            found, _, notes = opened(page, data)
            about = f"{format} {subtype} {endian}"
            np.testing.assert_array_equal(found, wanted[0].T, about)
            assert notes == [], about


def sized(data, place, size, order="<"):
    return data[:place] + struct.pack(order + "I", size) + data[place + 4 :]


def recipes():
    """Files as people have them, by name."""
    wav, other = encoded(), encoded(noise(0.1, seed=1))
    aiff, au = encoded(format="AIFF"), encoded(format="AU")
    caf, w64 = encoded(format="CAF"), encoded(format="W64")
    mp3 = encoded(0.2 * noise(1), "MP3", "MPEG_LAYER_III")
    ogg, opus = (
        encoded(0.2 * noise(1), "OGG", "VORBIS"),
        encoded(0.2 * noise(1), "OGG", "OPUS", rate=48000),
    )
    flac = encoded(format="FLAC")
    size, form = wav.index(b"data") + 4, aiff.index(b"SSND") + 4
    counted = sized(aiff, aiff.index(b"COMM") + 10, 0, ">")
    place = caf.index(b"data") + 4
    tag = b"ID3\x04\0\0\0\0\x02\0" + bytes(256)
    return {
        "size_0.wav": sized(sized(wav, 4, 0), size, 0),
        "pipe.wav": sized(sized(wav, 4, 0xFFFFFFFF), size, 0xFFFFFFFF),
        "joined.wav": wav + other,
        "joined_rates.wav": wav + encoded(rate=22050),
        "cut.wav": wav[: len(wav) // 2],
        "bw64.wav": b"BW64" + encoded(format="RF64")[4:],
        "size_0.aiff": sized(sized(counted, 4, 0, ">"), form, 0, ">"),
        "cut.aiff": aiff[: len(aiff) // 2],
        "joined.aiff": aiff + aiff,
        "size_0.au": sized(au, 8, 0, ">"),
        "unknown.caf": caf[:place] + b"\xff" * 8 + caf[place + 8 :],
        "cut.caf": caf[: len(caf) // 2],
        "size_0.w64": w64[: w64.index(b"data") + 16]
        + bytes(8)
        + w64[w64.index(b"data") + 24 :],
        "plain.mp3": mp3,
        "zeros_first.mp3": bytes(417) + mp3,
        "junk_first.mp3": b"junk" * 100 + mp3,
        "tag_first.mp3": tag + b"\0" + mp3,
        "junk_at_the_end.mp3": mp3 + b"junk" * 100,
        "joined.mp3": mp3 + mp3,
        "cut.mp3": mp3[: len(mp3) * 3 // 5],
        "without_a_count.mp3": mp3[mp3.index(mp3[:2], 100) :],
        "joined.ogg": ogg + ogg,
        "joined.opus": opus + opus,
        "cut.ogg": ogg[: len(ogg) * 3 // 5],
        "tag_first.ogg": tag + ogg,
        "joined.flac": flac + flac,
        "tag.flac": tag + b"\0" + flac + b"TAG" + bytes(125),
    }


def test_files_as_people_have_them_are_read_as_the_package_reads_them(page, tmp_path):
    for name, data in recipes().items():
        (tmp_path / name).write_bytes(data)
        said = []
        blocks = list(sound_file.blocks(tmp_path / name, note=said.append))
        wanted = np.concatenate(blocks).T
        rate = sound_file.info(tmp_path / name).sample_rate
        found, _, notes = opened(page, data, name, rate)
        assert found.shape == wanted.shape, name
        # Decoders of lossy formats differ in their rounding.
        exact = name.split(".")[-1] not in ("mp3", "ogg", "opus")
        np.testing.assert_allclose(found, wanted, rtol=0, atol=0 if exact else 1e-3,
                                   err_msg=name)  # fmt: skip
        # The package names the format, too.
        wanted = {text.replace("it is WAV PCM_16,", "it has") for text in said}
        assert {text.replace(" at ", ", ") for text in notes} == wanted, name


def test_another_sample_rate_becomes_that_of_the_effect(page):
    time = np.arange(24000) / 48000
    sound = 0.5 * np.sin(2 * np.pi * np.outer(time, [440, 5000]))
    found = opened(page, encoded(sound, subtype="FLOAT", rate=48000))[0]
    wanted = soxr.resample(sound, 48000, RATE, "VHQ").T
    assert abs(found.shape[1] - wanted.shape[1]) <= 1
    inside = slice(500, 21500)
    assert np.abs(found[:, inside] - wanted[:, inside]).max() < 1e-3


def test_what_the_browser_loses_is_told(page):
    script = "byBrowser = async () => new AudioBuffer("
    script += "{length: values[0], sampleRate: 44100, numberOfChannels: 2});"
    for format in ("FLAC", "OGG", "MP3"):
        data = encoded(noise(0.5), format, None)
        page.run(script, RATE // 5)
        assert opened(page, data, "a.x")[2] == [
            "declares 0.5 s, of which this browser decodes 0.2 s; if it is whole, make "
            'a WAV of it with ffmpeg -i "a.x" "a.wav"'
        ]
        page.run(script, RATE // 2 - 2000)
        assert opened(page, data)[2] == []


def test_more_channels_are_all_heard(page):
    """Loudspeakers by the mask of the file, or by the usual one; else all alike."""
    half = np.sqrt(0.5)
    centre, left, right, none = (half, half), (half, 0), (0, half), (0.25, 0.25)
    for mask, wanted in {
        None: [(1, 0), (0, 1), left, right],
        0x63F: [(1, 0), (0, 1), centre, centre, left, right, left, right],
        0x107: [(1, 0), (0, 1), centre, centre],
        0xF: [(1, 0), (0, 1), centre, centre],
        0x3: [none] * 4,
    }.items():
        samples = np.eye(len(wanted))
        data = bytearray(encoded(samples, "WAVEX", "FLOAT"))
        place = data.index(b"fmt ") + 8 + 20
        data[place : place + 4] = struct.pack("<I", mask or 0)
        found, count, _ = opened(page, bytes(data))
        assert count == len(wanted)
        np.testing.assert_allclose(found.T, wanted, atol=1e-6)


def test_what_is_not_decoded_is_named_with_the_remedy(page):
    for name, data, words in [
        ("a.wv", b"wvpk" + bytes(40), "is WavPack, which this browser does not decode"),
        ("a.wma", b"0&\xb2u" + bytes(40), "is WMA, which this browser does not"),
        ("a.m4a", b"\0\0\0\x08ftypalac" + bytes(40), "is Apple Lossless, which"),
        ("a.txt", b"hello" * 100, "is no sound file that this page knows (WAV, AIFF,"),
        ("a.wav", b"RIFF\x24\0\0\0WAVEfmt ", "holds samples of a kind that this"),
    ]:
        said = page.run(REFUSED, name, list(data))
        assert said.startswith(f'"{name}" {words}')
        assert said.endswith(f'make a WAV of it with ffmpeg -i "{name}" "a.wav"')


def test_what_it_opens_is_said_before_the_choice(page):
    assert page.text("#formats") == page.run("return readableFormats()")
    assert "AIFF" in page.text("#formats") and "FLAC" in page.text("#formats")
    accepted = page.attribute("#file", "accept").split(",")
    assert {".aif", ".caf", ".w64", ".mp3", "audio/*"} <= set(accepted)


def test_no_damage_hangs_or_throws_anything_but_a_sentence(page):
    """Bytes changed at random in every kind of file that the page takes apart."""
    kinds = ("WAV", "AIFF", "CAF", "AU", "W64", "RF64", "FLAC", "OGG", "MP3")
    files = [encoded(noise(0.05), kind, None) for kind in kinds]
    found = page.run(
        """
        const said = [];
        let state = 1;
        const random = (most) => {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return Math.floor((state / 2 ** 32) * most);
        };
        byBrowser = async () => { throw new Error("not here"); };
        for (const file of values[0]) for (let round = 0; round < 60; round++) {
          const bytes = Uint8Array.from(atob(file), c => c.charCodeAt(0));
          for (let i = 0; i < 1 + (round % 4); i++)
            bytes[random(round % 2 ? 100 : bytes.length)] = random(256);
          const cut = bytes.slice(0, round % 3 ? bytes.length : random(bytes.length));
          try { await decodeFile(new File([cut], "x.wav"), 44100); }
          catch (error) {
            if (!/^"x.wav" /.test(error.message)) said.push(error.stack);
          }
        }
        return said;
        """,
        [base64.b64encode(data).decode() for data in files],
    )
    assert found == []
