"""Sound files as people have them: frames in, frames out, beside ffmpeg's.

    python experiments/field_files.py [FOLDER]

Makes small files after public bug reports in FOLDER, in a temporary one without it, and
renders each with `apply --control=0`. Prints how many frames were written, how many
ffmpeg decodes, and what was said. Needs ffmpeg, sox, flac and lame.
"""

import contextlib
import io
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import numpy as np
import soundfile
from command_line import arguments

from cak_jax.commands import apply

RATE = 44100
SECONDS = 12
MASKS = (0x63F, 0x60F, 0x107, 0x600, 0x1, 0)
AMBISONIC = bytes.fromhex("010000002107d3118644c8c1ca000000")


def tool(*command, data: bytes = b"") -> bytes:
    """Run a program; return what it writes to standard output."""
    words = [str(word) for word in command]
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


def ffmpeg(source, *options) -> bytes:
    """Return a file as ffmpeg encodes it to a pipe."""
    return tool("ffmpeg", "-v", "error", "-i", source, *options, "-")


def encoded(source, suffix, *options) -> bytes:
    """Return a file as ffmpeg encodes it to a file, with a header that is complete."""
    target = source.parent / f"made.{suffix}"
    tool("ffmpeg", "-v", "error", "-y", "-i", source, *options, target)
    data = target.read_bytes()
    target.unlink()
    return data


def music(seconds: float, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Return `[n, channels]`: a quiet tone, then noise in bursts."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.2, (len(time), channels))
    burst = (time > seconds / 3) * np.exp(-6 * (time % 0.5))
    tone = 0.05 * np.sin(2 * np.pi * 220 * time)
    return np.clip(tone[:, None] + noise * burst[:, None], -0.9, 0.9)


def syncsafe(number: int) -> bytes:
    """Return a number as the four bytes of an ID3 tag."""
    return bytes((number >> shift) & 127 for shift in (21, 14, 7, 0))


def id3(body: bytes) -> bytes:
    """Return an ID3v2.4 tag."""
    return b"ID3\x04\0\0" + syncsafe(len(body)) + body


def make_mp3(wav, other) -> dict[str, bytes]:
    """MP3 of variable rate without a header, joined, with bytes around and between."""
    constant = tool("lame", "--quiet", "-b", "128", wav, "-")
    bare = ffmpeg(wav, "-b:a", "128k", "-write_xing", "0", "-f", "mp3")
    xing = encoded(wav, "mp3", "-q:a", "2")
    second = encoded(other, "mp3", "-q:a", "4")
    junk = random.Random(0).randbytes
    tag, cover = id3(bytes(256)), id3(b"APIC" + syncsafe(400_000) + junk(400_002))
    middle = bare.index(b"\xff\xfb", len(bare) // 2)
    return {
        "lame_v2_pipe.mp3": tool("lame", "--quiet", "-V2", wav, "-"),
        "lame_abr_pipe.mp3": tool("lame", "--quiet", "--abr", "160", wav, "-"),
        "ffmpeg_vbr_pipe.mp3": ffmpeg(wav, "-q:a", "2", "-f", "mp3"),
        "ffmpeg_vbr_no_xing.mp3": ffmpeg(
            wav, "-q:a", "2", "-write_xing", "0", "-f", "mp3"
        ),
        "lame_cbr_pipe.mp3": constant,
        "xing.mp3": xing,
        "joined.mp3": xing + second,
        "joined_bare.mp3": bare + bare,
        "zeros_first.mp3": bytes(417) + xing,
        "id3_one_byte_more.mp3": tag + b"\0" + xing,
        "two_id3.mp3": tag + tag + xing,
        "bytes_at_the_end.mp3": bare + junk(5000),
        "zeros_at_the_end.mp3": bare + bytes(5000),
        "bytes_between.mp3": bare[:middle] + junk(3000) + bare[middle:],
        "cover.mp3": cover + bare,
        "cut.mp3": xing[: len(xing) * 3 // 5],
    }


def make_ogg(wav, other) -> dict[str, bytes]:
    """Chained OGG streams, and FLAC in OGG."""
    vorbis = ("-c:a", "libvorbis", "-f", "ogg")
    first, second = ffmpeg(wav, *vorbis), ffmpeg(other, *vorbis)
    opus = ffmpeg(wav, "-c:a", "libopus", "-f", "ogg")
    slow = ffmpeg(other, "-ar", "22050", *vorbis)
    return {
        "joined.ogg": first + second,
        "joined_rates.ogg": first + slow,
        "joined.opus": opus + opus,
        "id3_first.ogg": id3(bytes(256)) + first,
        "bytes_at_the_end.ogg": first + bytes(5000),
        "flac_in.ogg": ffmpeg(wav, "-c:a", "flac", "-f", "ogg"),
    }


def make_flac(wav, other) -> dict[str, bytes]:
    """FLAC with bytes before and behind it, joined, of unknown length, of 32 bits."""
    flac = tool("flac", "-s", "-c", wav)
    second = tool("flac", "-s", "-c", other)
    tag, wide = id3(bytes(256)), wav.parent / "wide.wav"
    soundfile.write(wide, music(SECONDS), RATE, "PCM_32")
    return {
        "tag_behind.flac": flac + b"TAG" + bytes(125),
        "bytes_behind.flac": flac + bytes(5000),
        "id3.flac": tag + flac,
        "id3_one_byte_more.flac": tag + b"\0" + flac,
        "joined.flac": flac + second,
        "unknown_length.flac": ffmpeg(wav, "-f", "flac"),
        "thirty_two_bits.flac": tool("flac", "-s", "-c", wide),
    }


def make_sizes(wav, other) -> dict[str, bytes]:
    """WAV, AIFF and the like whose sizes are 0, unknown or wrong."""
    data = wav.read_bytes()
    start = data.index(b"data") + 4
    zero = data[:4] + bytes(4) + data[8:start] + bytes(4) + data[start + 4 :]
    aiff = encoded(wav, "aiff")
    size = aiff.index(b"SSND") + 4
    form = aiff[:4] + bytes(4) + aiff[8:size] + bytes(4) + aiff[size + 4 :]
    au = encoded(wav, "au")
    caf = encoded(wav, "caf")
    size = caf.index(b"data") + 4
    wide = encoded(wav, "wav", "-rf64", "always")
    w64 = encoded(wav, "w64")
    return {
        "size_0.wav": zero,
        "riff_size_0.wav": data[:4] + bytes(4) + data[8:],
        "data_size_0.wav": data[:start] + bytes(4) + data[start + 4 :],
        "ffmpeg_pipe.wav": ffmpeg(wav, "-f", "wav"),
        "sox_pipe.wav": tool("sox", wav, "-t", "wav", "-"),
        "joined.wav": data + other.read_bytes(),
        "size_0.aiff": form,
        "sox_pipe.aiff": tool("sox", wav, "-t", "aiff", "-"),
        "size_0.au": au[:8] + bytes(4) + au[12:],
        "size_unknown.caf": caf[:size] + b"\xff" * 8 + caf[size + 8 :],
        "rf64.wav": wide,
        "bw64.wav": b"BW64" + wide[4:],
        "ffmpeg_pipe.w64": ffmpeg(wav, "-f", "w64"),
        "w64.w64": w64,
        "cut.wav": data[: len(data) * 3 // 5],
    }


def extensible(mask: int, channels: int, kind: bytes = b"") -> bytes:
    """Return an EXTENSIBLE WAV of 24 bits with a channel mask and a sub-format."""
    pcm = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    samples = (music(1, channels) * (1 << 23)).astype("<i4")
    body = samples.astype("<i4").tobytes()
    body = np.frombuffer(body, np.uint8).reshape(-1, 4)[:, :3].tobytes()
    block = 3 * channels
    fmt = struct.pack("<HHIIHH", 0xFFFE, channels, RATE, RATE * block, block, 24)
    fmt += struct.pack("<HHI", 22, 24, mask) + (kind or pcm)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def make_masks(wav, other) -> dict[str, bytes]:
    """EXTENSIBLE WAV whose channels are no usual ones."""
    made = {f"mask_{m:x}.wav": extensible(m, max(2, m.bit_count())) for m in MASKS}
    made["mask_1.wav"] = extensible(1, 1)
    return made | {"ambisonic.wav": extensible(0, 4, AMBISONIC)}


def make_others(wav, other) -> dict[str, bytes]:
    """What libsndfile does not read."""
    return {
        "aac.m4a": encoded(wav, "m4a", "-c:a", "aac"),
        "alac.m4a": encoded(wav, "m4a", "-c:a", "alac"),
        "fragments.m4a": encoded(
            wav, "m4a", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"
        ),
        "adts.aac": ffmpeg(wav, "-c:a", "aac", "-f", "adts"),
        "x.wma": encoded(wav, "wma"),
        "x.wv": encoded(wav, "wv"),
        "x.tta": encoded(wav, "tta"),
        "browser.webm": encoded(wav, "webm", "-c:a", "libopus"),
        "video.mp4": encoded(
            wav, "mp4", "-f", "lavfi", "-i",
            f"color=s=64x64:d={SECONDS}", "-c:a", "aac", "-shortest",
        ),
    }  # fmt: skip


def make_more(wav, other) -> dict[str, bytes]:
    """More of the same kinds: other containers, other places of the fault."""
    flac = tool("flac", "-s", "-c", wav)
    middle, junk = len(flac) // 2, random.Random(0).randbytes(3000)
    fewer = bytearray(flac)
    fewer[22:26] = struct.pack(">I", 100_000)
    wide = bytearray(encoded(wav, "wav", "-rf64", "always"))
    wide[20:36] = b"\xff" * 16
    webm = encoded(wav, "webm", "-c:a", "libopus")
    m4a = encoded(wav, "m4a", "-c:a", "aac", "-movflags", "+faststart")
    data = wav.read_bytes()
    joined = {
        f"joined.{kind}": encoded(wav, kind) + encoded(other, kind)
        for kind in ("au", "caf", "w64", "aiff", "wma", "tta", "wv")
    }
    return joined | {
        "cut.flac": flac[: len(flac) * 3 // 5],
        "bytes_between.flac": flac[:middle] + junk + flac[middle:],
        "declares_fewer.flac": bytes(fewer),
        "declares_fewer.wav": data[:40] + struct.pack("<I", 400_000) + data[44:],
        "sizes_unknown.rf64": bytes(wide),
        "sox_pipe.caf": tool("sox", wav, "-t", "caf", "-"),
        "alac.caf": encoded(wav, "caf", "-c:a", "alac"),
        "cut.webm": webm[: len(webm) * 3 // 5],
        "bytes_between.webm": webm[: len(webm) // 2] + junk + webm[len(webm) // 2 :],
        "cut.m4a": m4a[: len(m4a) * 3 // 5],
        "speex.ogg": ffmpeg(
            wav, "-ar", "16000", "-ac", "1", "-c:a", "libspeex", "-f", "ogg"
        ),
    }


MAKERS = (make_mp3, make_ogg, make_flac, make_sizes, make_masks, make_others, make_more)


def make(folder: pathlib.Path) -> dict[str, bytes]:
    """Return all files by name."""
    wav, other = folder / "first.wav", folder / "second.wav"
    soundfile.write(wav, music(SECONDS), RATE, "PCM_16")
    soundfile.write(other, music(SECONDS / 2, seed=1), RATE, "PCM_16")
    found = {}
    for maker in MAKERS:
        found |= maker(wav, other)
    return found


def frames_of_ffmpeg(path) -> str:
    """Return the number of frames that ffmpeg decodes, as text."""
    try:
        return str(decoded_frames(path))
    except (subprocess.CalledProcessError, IndexError):
        return "refused"


def decoded_frames(path) -> int:
    """Return the number of frames that ffmpeg decodes."""
    probe = ("ffprobe", "-v", "error", "-select_streams", "a", "-of", "csv=p=0")
    channels = tool(*probe, "-show_entries", "stream=channels", path).split()[0]
    # The rate may change within a file, and ffmpeg would resample.
    samples = tool("ffmpeg", "-v", "quiet", "-i", path, "-vn", "-f", "f32le", "-")
    return len(samples) // 4 // int(channels.rstrip(b","))


def mask_of(path) -> str:
    """Return the channel mask and the sub-format of an EXTENSIBLE WAV, as text."""
    data = path.read_bytes()[:200]
    start = data.find(b"fmt ") + 8
    if data[:4] != b"RIFF" or data[start : start + 2] != b"\xfe\xff":
        return ""
    mask = struct.unpack_from("<I", data, start + 20)[0]
    kind = {b"\x21\x07": ", ambisonic"}.get(data[start + 28 : start + 30], "")
    return f" (mask {mask:#x}{kind})"


def frames_of_ours(path, folder) -> tuple[str, str]:
    """Return the number of frames that `apply` writes, and what it says."""
    out, err = io.StringIO(), io.StringIO()
    options = ["--effect=bright", "--control=0", f"--output={folder}/", "--json=-"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = apply.main([*options, "--overwrite", str(path)])
    if code:
        reason = err.getvalue().strip().splitlines()[-1].split(": ", 2)[-1]
        return "refused", reason
    [record] = json.loads(out.getvalue())["inputs"]
    mask = mask_of(pathlib.Path(record["output"]))
    return f"{record['frames']}{mask}", "; ".join(record["notes"])


def main(name: str = "") -> None:
    """Make the files and print the table."""
    with tempfile.TemporaryDirectory() as top:
        folder = pathlib.Path(name or top).absolute()
        folder.mkdir(exist_ok=True)
        outputs = pathlib.Path(top) / "outputs"
        print("| file | ffmpeg | written | said |\n| --- | --- | --- | --- |")
        for file, data in make(folder).items():
            path = folder / file
            path.write_bytes(data)
            theirs = frames_of_ffmpeg(path) + mask_of(path)
            written, said = frames_of_ours(path, outputs)
            print(f"| {file} | {theirs} | {written} | {said} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(*arguments(__doc__, 0, 1)))
