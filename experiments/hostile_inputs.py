"""What `apply` makes of sound files that nobody should have: a table.

    python experiments/hostile_inputs.py EFFECT

Makes every file in a temporary folder, renders each by a process of its own at control
0 and at amount 0.6, and prints what came out: the exit code, what was said or written,
and whether control 0 gave the samples back.
"""

import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import soundfile
from command_line import arguments

RATE = 44100
SECONDS_ALLOWED = 60


def tone(samples=22050, channels=2):
    """Return a sine `[samples, channels]` at -12 dBFS."""
    sine = 0.25 * np.sin(2 * np.pi * 330 * np.arange(samples) / RATE)
    return np.repeat(sine[:, None], channels, axis=1)


def write(folder, name, samples, rate=RATE, **kind):
    """Write a float WAV, or what `kind` says."""
    soundfile.write(folder / name, samples, rate, **{"subtype": "FLOAT", **kind})


def with_value(value, samples=22050):
    """Return a sine with one sample replaced."""
    found = tone(samples)
    found[100] = value
    return found


def make_samples(folder):
    """Write files whose samples are the trouble."""
    write(folder, "nan.wav", with_value(np.nan))
    write(folder, "infinity.wav", with_value(np.inf))
    write(folder, "silence.wav", np.zeros((22050, 2)))
    write(folder, "dc.wav", np.full((22050, 2), 0.5))
    write(folder, "square.wav", np.sign(tone()), subtype="PCM_16")
    write(folder, "denormal.wav", tone() * 1e-42)
    write(folder, "above_full_scale.wav", tone() * 40)
    write(folder, "huge.wav", tone() * 1e200, subtype="DOUBLE")
    write(folder, "opposite.wav", tone() * [[1, -1]])
    for samples in (0, 1, 2, 100):
        write(folder, f"{samples}_samples.wav", tone(samples))


def make_formats(folder):
    """Write rates, depths and channel counts."""
    for rate in (8000, 11025, 96000, 192000):
        write(folder, f"{rate}_hz.wav", tone(rate // 2), rate)
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "DOUBLE"):
        write(folder, f"{subtype.lower()}.wav", tone(), subtype=subtype)
    for channels in (1, 6, 32):
        write(folder, f"{channels}_channels.wav", tone(22050, channels))
    for kind in ("RF64", "W64", "FLAC", "AIFF", "CAF", "OGG", "MP3"):
        subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
        write(folder, f"x.{kind.lower()}", tone(), format=kind, subtype=subtype)


def make_bytes(folder):
    """Write what is no sound, or no more."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is no sound")
    (folder / "page.wav").write_text("<!doctype html><p>404")
    (folder / "archive.wav").write_bytes(b"PK\x03\x04" + bytes(200))
    names = ("pcm_16.wav", "x.flac", "x.ogg", "x.mp3", "x.aiff")
    whole = {name: (folder / name).read_bytes() for name in names}
    for name, data in whole.items():
        stem, suffix = name.rsplit(".", 1)
        (folder / f"{stem}_truncated.{suffix}").write_bytes(data[: len(data) // 2])
        (folder / f"{stem}_header_only.{suffix}").write_bytes(data[:44])
        flipped = bytearray(data)
        for place in range(60, len(data), 997):
            flipped[place] ^= 0x55
        (folder / f"{stem}_flipped.{suffix}").write_bytes(bytes(flipped))
    (folder / "wrong_suffix.wav").write_bytes(whole["x.flac"])
    lying = bytearray(whole["pcm_16.wav"])
    lying[40:44] = struct.pack("<I", 0xFFFFFFF0)
    (folder / "lying_size.wav").write_bytes(bytes(lying))
    streamed = bytearray(whole["x.flac"])
    streamed[21] &= 0xF0
    streamed[22:26] = bytes(4)
    (folder / "streamed.flac").write_bytes(bytes(streamed))


def make_names(folder):
    """Make names and things that are no regular files."""
    data = (folder / "pcm_16.wav").read_bytes()
    for name in ("two\nlines.wav", "\U0001f600.wav", "-leading-dash.wav",
                 "a" * 251 + ".wav", os.fsdecode(b"\xff\xfe.wav")):  # fmt: skip
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "fifo.wav")
    (folder / "folder.wav").mkdir()
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "nowhere.wav").symlink_to("missing.wav")


def render(effect, source, target, knob):
    """Render one file; return the exit code and the last line said."""
    command = [sys.executable, "-m", "cak_jax.apply", f"--effect={effect}", knob]
    command += [f"--output={target}{os.sep}", "--", os.fspath(source)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS_ALLOWED)
    except subprocess.TimeoutExpired:
        return "HANGS", ""
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    return done.returncode, lines[-1] if lines else ""


def outcome(target, said):
    """Return what came out in words: the format and level, or the error."""
    outputs = [path for path in target.iterdir() if path.is_file()]
    if not outputs:
        return said.split(": ", 2)[-1]
    try:
        samples, rate = soundfile.read(os.fsencode(outputs[0]), always_2d=True)
    except soundfile.SoundFileError as error:
        return f"UNREADABLE: {error}"
    info = soundfile.info(os.fsencode(outputs[0]))
    level = np.sqrt(np.mean(samples**2)) if samples.size else 0.0
    shown = f"{20 * np.log10(level):.1f} dBFS" if level else "silence"
    notes = said.partition("  (")[2].rstrip(")")
    kind = f"{info.format} {info.subtype}, {samples.shape[1]} x {len(samples)}"
    finite = "" if np.isfinite(samples).all() else ", NOT FINITE"
    return f"{kind} at {rate} Hz, {shown}{finite}" + (f"; {notes}" if notes else "")


def exact(source, target):
    """Say whether the one output holds the samples of the source."""
    outputs = [path for path in target.iterdir() if path.is_file()]
    if not outputs:
        return ""
    try:
        first, second = (soundfile.read(os.fsencode(p), always_2d=True)[0]
                         for p in (source, outputs[0]))  # fmt: skip
    except (soundfile.SoundFileError, ValueError):
        return "plain soundfile cannot read the input"
    same = first.shape == second.shape and first.tobytes() == second.tobytes()
    return "yes" if same else "no"


def main(effect):
    """Print the table."""
    with tempfile.TemporaryDirectory() as top:
        folder = pathlib.Path(top) / "in"
        folder.mkdir()
        for make in (make_samples, make_formats, make_bytes, make_names):
            make(folder)
        print("| input | code | what came out at amount 0.6 | bit-exact at control 0 |")
        print("| --- " * 4 + "|")
        for number, name in enumerate(sorted(os.listdir(folder))):
            still, turned = (pathlib.Path(top) / f"{number}{k}" for k in "ab")
            still.mkdir()
            turned.mkdir()
            render(effect, folder / name, still, "--control=0")
            code, said = render(effect, folder / name, turned, "--amount=0.6")
            shown = name.encode("unicode_escape").decode()
            shown = shown if len(shown) < 40 else f"{shown[:20]}... ({len(shown)})"
            kept = exact(folder / name, still)
            print(
                f"| {shown} | {code} | {outcome(turned, said)} | {kept} |", flush=True
            )


if __name__ == "__main__":
    main(*arguments(__doc__, 1, 1))
