"""The published application's way with a sound, in librosa, PyTorch and numpy.

    pip install -e ".[benchmark]"
    python experiments/published_render.py SOUND OUTPUT.wav [CONTROL [EFFECT]]
    python experiments/published_render.py --check

Written from what the published Python application does to a clip (arXiv 2508.02643),
without its window and its printing: chunks of 15 s that overlap by half, each through
librosa's transform, numpy's normalisation, PyTorch's convolution and back; then
cross-fades, RMS and tanh. The application mixes to mono; here every channel goes its
way by itself. `--check` compares with `tests/golden/render.npz`. JAX is not imported.
"""

import importlib.util
import os
import pathlib
import sys

import numpy as np
from command_line import arguments

CHUNK_SECONDS = 15.0
FADE = 256
LEAST_GAIN, MOST_GAIN = 0.1, 10.0
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
# Signal to noise, dB, below which this is another program than the published one.
LEAST_AGREEMENT = 100.0


class Application:
    """The published application with an effect loaded."""

    def __init__(self, document: dict):
        """Take an effect's document and build the network.

        Args:
          document: of an effect file, as `cak_jax.shipped.read` gives it.
        """
        import torch

        self.spectrogram = document["spectrogram"]
        self.constants = document["normalization"]
        self.gate, self.scale = document["gate"], document["scale"]
        self.detector = torch.nn.Conv2d(1, 1, kernel_size=3, padding=1)
        with torch.no_grad():
            kernel = torch.tensor(document["kernel"], dtype=torch.float32)
            self.detector.weight.copy_(kernel[None, None])
            self.detector.bias.fill_(document["bias"])

    def generate(self, x: np.ndarray, control: float) -> np.ndarray:
        """Transform a normalised spectrogram `[freq, frame]`."""
        import torch

        with torch.no_grad():
            x = torch.from_numpy(x)[None, None]
            c = torch.tensor(control)
            threshold, temperature = self.gate["threshold"], self.gate["temperature"]
            gate = torch.sigmoid((c - threshold) * temperature)
            y = x + self.detector(x) * c * self.scale * gate
        return y.numpy()[0, 0]

    def process_chunk(self, audio: np.ndarray, control: float) -> np.ndarray:
        """Transform one chunk `[samples]`; the phase stays."""
        import librosa

        hop, window = self.spectrogram["hop_length"], self.spectrogram["win_length"]
        spectrum = librosa.stft(
            audio, n_fft=self.spectrogram["n_fft"], hop_length=hop, win_length=window
        )
        x = normalise(np.abs(spectrum), **self.constants)
        magnitude = invert(self.generate(x, control), **self.constants)
        turned = magnitude * np.exp(1j * np.angle(spectrum))
        return librosa.istft(
            turned, hop_length=hop, win_length=window, length=len(audio)
        )

    def process(self, audio: np.ndarray, control: float) -> np.ndarray:
        """Render one channel `[samples]` float32 at the effect's sample rate."""
        length = int(CHUNK_SECONDS * self.spectrogram["sample_rate"])
        wet = [
            (start, self.process_chunk(chunk, control))
            for start, chunk in chunks(audio, length)
        ]
        wet = match_level(audio, cross_fade(wet, len(audio)))
        return np.tanh(wet * 0.95) / 0.95

    def render(self, audio: np.ndarray, control: float) -> np.ndarray:
        """Render `[channels, samples]`, one channel after the other."""
        return np.stack([self.process(channel, control) for channel in audio])


def normalise(magnitude, *, alpha, gamma, low, high):
    """Map magnitudes to [0, 1]."""
    level = np.log1p(np.sqrt(magnitude) * alpha)
    return np.clip((level - low) / (high - low + 1e-8), 0, 1) ** gamma


def invert(x, *, alpha, gamma, low, high):
    """Map what the network made back to magnitudes."""
    x = np.clip(x, 0, 1)
    level = (x + 1e-8) ** (1.0 / gamma) * (high - low) + low
    return np.maximum((np.exp(level) - 1) / alpha, 0) ** 2


def chunks(audio, length):
    """Yield `(start, chunk)`, the last one filled up with silence."""
    hop = length // 2
    for start in range(0, max(len(audio) - length + hop, 1), hop):
        part = audio[start : start + length]
        yield start, np.pad(part, (0, length - len(part)))


def cross_fade(parts, samples):
    """Lay chunks over each other and divide by their weights."""
    total, weight = np.zeros(samples), np.zeros(samples)
    for start, part in parts:
        part = part[: samples - start]
        stop = start + len(part)
        window = np.ones(len(part))
        fade = min(FADE, len(part) // 4)
        if fade and start > 0:
            window[:fade] = np.linspace(0, 1, fade)
        if fade and stop < samples:
            window[-fade:] = np.linspace(1, 0, fade)
        total[start:stop] += part * window
        weight[start:stop] += window
    heard = weight > 0
    total[heard] /= weight[heard]
    return total


def match_level(dry, wet):
    """Give `wet` the RMS of `dry`, within 20 dB."""
    before, after = np.sqrt(np.mean(dry**2)), np.sqrt(np.mean(wet**2))
    if after > 0:
        wet = wet * np.clip(before / after, LEAST_GAIN, MOST_GAIN)
    return wet


def agreement(application: Application, folder) -> dict[float, float]:
    """Return control -> signal to noise in dB against the golden vectors."""
    found = {}
    with np.load(pathlib.Path(folder) / "render.npz", allow_pickle=False) as golden:
        for name in golden.files:
            if name.startswith("rendered_"):
                control = float(name.removeprefix("rendered_"))
                theirs = golden[name].astype(np.float64)
                noise = application.process(golden["audio"], control) - theirs
                ratio = np.sum(theirs**2) / np.sum(noise**2)
                found[control] = float(10 * np.log10(ratio))
    return found


def check() -> None:
    """Compare with the golden vectors, or exit with a line that says what is off."""
    from cak_jax.effect import locate

    folder = os.environ.get("CAK_GOLDEN_DIR", GOLDEN)
    application = Application(locate.read("published"))
    try:
        found = agreement(application, folder)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {folder}: holds no golden vectors of rendering: {error}")
    for control, ratio in found.items():
        if not ratio > LEAST_AGREEMENT:
            sys.exit(
                f"error: at control {control:g} this is not what the published "
                f"application does: {ratio:.1f} dB signal to noise against "
                f"{folder}/render.npz, not {LEAST_AGREEMENT:g}; nothing is timed"
            )
        print(f"control {control:g}: {ratio:.1f} dB signal to noise")


def render_file(sound: str, output: str, control: float, effect: dict) -> None:
    """Render a file through an effect's document into a 24-bit WAV."""
    import librosa
    import soundfile

    application = Application(effect)
    rate = application.spectrogram["sample_rate"]
    audio, _ = librosa.load(sound, sr=rate, mono=False)
    wet = application.render(np.atleast_2d(audio), control)
    soundfile.write(output, wet.T, rate, subtype="PCM_24")


def refuse_missing() -> None:
    """Exit with a line where a library is not installed."""
    for name in ("torch", "librosa"):
        if importlib.util.find_spec(name) is None:
            sys.exit(f'error: {name} is not installed: pip install -e ".[benchmark]"')


def checked(sound: str, output: str, control: str = "1", effect: str = "published"):
    """Return what `render_file` takes, or exit with a line about the wrong word."""
    from cak_jax.audio import sound_file as audio
    from cak_jax.effect import locate
    from cak_jax.rendering.knob import Knob

    try:
        number = float(control)
    except ValueError:
        sys.exit(f"error: CONTROL must be a number, got {control!r}")
    try:
        audio.info(sound)
        Knob(number, "control")
        document = locate.read(effect)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    folder = os.path.dirname(output) or "."
    if os.path.lexists(output) or not os.path.isdir(folder):
        there = "exists" if os.path.lexists(output) else "has no folder to lie in"
        sys.exit(f"error: {output} {there}; name another output")
    if not output.endswith(".wav"):
        sys.exit(f"error: {output}: the output is a WAV file, its name ends in .wav")
    return sound, output, number, document


def main(*arguments: str) -> None:
    """Run the command line."""
    if arguments != ("--check",) and not 2 <= len(arguments) <= 4:
        sys.exit(__doc__)
    refuse_missing()
    if arguments == ("--check",):
        return check()
    render_file(*checked(*arguments))


if __name__ == "__main__":
    main(*arguments(__doc__, 1, 4))
