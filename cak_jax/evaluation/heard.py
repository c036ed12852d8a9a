"""What an effect does to the ear: qualities, level, bass and peaks of rendered sound.

Sounds are rendered as a person renders them and measured with NumPy alone, at the
game's window and at one that it does not use. So the training was not scored by this.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.quality import measurable, reader
from cak_jax.evaluation.agreement import fit
from cak_jax.evaluation.knob_response import loudest, over_clips
from cak_jax.model.quality_names import WORDS
from cak_jax.rendering import in_memory

AMOUNTS = np.array([0.25, 0.5, 0.75, 1.0])
# Samples at 44.1 kHz, scaled to the effect's rate. The game uses 1024 at any rate.
WINDOWS = (1024, 4096)
SECONDS = 6.0  # of each clip, at its loudest
BASS_HZ = 250.0
HISS_HZ = 4000.0
TINY = 1e-12


def magnitudes(audio: np.ndarray, window: int) -> np.ndarray:
    """Return the magnitude spectrogram `[frame, freq]` in float64, hop a quarter."""
    audio = np.asarray(audio, np.float64)
    audio = np.pad(audio, (0, max(0, window - len(audio))))
    frames = np.lib.stride_tricks.sliding_window_view(audio, window)[:: window // 4]
    return np.abs(np.fft.rfft(frames * np.hanning(window + 1)[:-1], axis=1))


def measure(audio: np.ndarray, rate: int, window: int) -> dict[str, float]:
    """Measure every quality of a sound `[samples]`, by its definition.

    The definitions are those of `model/qualities.py`, written a second time so that a
    fault in one shows.
    """
    magnitude = magnitudes(audio, window)
    power = np.square(magnitude)
    power += 1e-10 * power.mean() + 1e-14
    frame = power.mean(axis=1)
    sounding = frame > 1e-4 * frame.max()
    ratio = np.exp(np.log(power[sounding]).mean(axis=1)) / frame[sounding]
    spectrum = magnitude.sum(axis=0)
    frequency = np.fft.rfftfreq(window, 1 / rate)
    level = np.log1p(100 * magnitude / (magnitude.max() + TINY))
    rise = np.clip(np.diff(level, axis=0), 0, None).mean()
    log_power = np.log(power + 1e-5 * power.max())
    bend = np.abs(np.diff(log_power, n=2, axis=1)).mean()
    return {
        "spectral_flatness": float(10 * np.log10(ratio + 1e-30).mean()),
        "spectral_centroid": float(
            np.log2((frequency * spectrum).sum() / (spectrum.sum() + TINY) + 1)
        ),
        "attack": float(np.log(rise / (level.mean() + TINY) + 1e-6)),
        "spectral_contrast": float(np.log(bend + 1e-6)),
    }


def side_effects(dry: np.ndarray, wet: np.ndarray, rate: int) -> dict[str, float]:
    """Compare a sound with what an effect made of it, in decibels.

    Args:
      dry, wet: `[samples]`, the loudness not matched.
      rate: of both, Hz.

    Returns:
      "level_db": change of the RMS. With that taken off: "bass_db", change of the
      energy below 250 Hz; "peak_db", of the greatest sample; "hiss_db", of the energy
      above 4 kHz in the quietest tenth of the frames.
    """
    level = _decibels(np.mean(np.square(wet, dtype=np.float64))) - _decibels(
        np.mean(np.square(dry, dtype=np.float64))
    )
    window = 2048
    before, after = (np.square(magnitudes(audio, window)) for audio in (dry, wet))
    frequency = np.fft.rfftfreq(window, 1 / rate)
    total = before.sum(axis=1)
    quiet = np.argsort(total, kind="stable")[: max(1, len(total) // 10)]

    def change(power: np.ndarray, frames: Any, bins: np.ndarray) -> float:
        return _decibels(power[frames][:, bins].sum())

    bass, hiss = frequency < BASS_HZ, frequency > HISS_HZ
    everywhere = slice(None)
    return {
        "level_db": level,
        "bass_db": change(after, everywhere, bass)
        - change(before, everywhere, bass)
        - level,
        "peak_db": 2 * (_decibels(np.abs(wet).max()) - _decibels(np.abs(dry).max()))
        - level,
        "hiss_db": change(after, quiet, hiss) - change(before, quiet, hiss) - level,
    }


def _decibels(energy: float) -> float:
    return float(10 * np.log10(energy + TINY))


def measure_heard(
    effect: Effect, clips: Sequence[np.ndarray], progress: Progress | None = None
) -> dict[str, Any]:
    """Render clips at four amounts and measure what is heard.

    Args:
      effect: what to measure.
      clips: each `[samples]` float32 at the effect's sample rate.
      progress: called as `progress(done, total, stage)`.

    Returns:
      "clips"; "amount", the four; "side_effects", medians over clips at amount 1;
      "changes", by quality the mean change at each amount in the quality's unit. If the
      effect names a quality that this version knows, "quality" has what the effect file
      has of it, "rising_share", the share of steps of the knob that raise it, and
      "windows": by window the fit of measured on requested change, in units of the
      range, as of `agreement.fit`, and "measured", its means.
    """
    rate = effect.spectrogram.sample_rate
    windows = [_window(size, rate) for size in WINDOWS]
    span = round(SECONDS * rate)

    def one(clip: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        dry = loudest(np.asarray(clip), span)
        wets = [
            in_memory.render(effect, dry, rate, amount=float(a), loudness="none")
            for a in AMOUNTS
        ]
        values = [
            [list(measure(audio, rate, window).values()) for audio in [dry, *wets]]
            for window in windows
        ]
        return np.array(values), side_effects(dry, wets[-1], rate)

    results = over_clips(one, clips, "listening", progress)
    # [clip, window, amount, quality], the dry sound taken off.
    values = np.stack([value for value, _ in results])
    moved = values[:, :, 1:] - values[:, :, :1]
    sides = [side for _, side in results]
    document: dict[str, Any] = {
        "clips": len(clips),
        "amount": AMOUNTS.tolist(),
        "side_effects": {
            name: float(np.median([side[name] for side in sides])) for name in sides[0]
        },
        "changes": {
            name: moved[..., index].mean(axis=(0, 1)).tolist()
            for index, name in enumerate(WORDS)
        },
    }
    quality = effect.quality
    if quality is not None and measurable(quality):
        shares = moved @ np.array(reader(quality))
        steps = np.diff(shares, axis=2, prepend=0.0)
        document["quality"] = quality.to_document() | {
            "rising_share": float((steps > 0).mean()),
            "windows": {
                str(size): fit(AMOUNTS, shares[:, place])
                | {"measured": shares[:, place].mean(axis=0).tolist()}
                for place, size in enumerate(windows)
            },
        }
    return document


def _window(size: int, rate: int) -> int:
    """Return the window of as many seconds at a rate, a multiple of 4."""
    return max(16, 4 * round(size * rate / 44100 / 4))


def sentence(heard: dict[str, Any], held_out: bool) -> str:
    """Return what is heard in one sentence, for a terminal or a page.

    Args:
      heard: result of `measure_heard`.
      held_out: whether the clips were not trained on.
    """
    sides, quality = heard["side_effects"], heard.get("quality")
    tried = f"tried on {heard['clips']} clips" + " it has not heard" * held_out
    rest = (
        f"level {sides['level_db']:+.1f} dB, bass {sides['bass_db']:+.1f} dB, peaks "
        f"{sides['peak_db']:+.1f} dB; {tried}."
    )
    if quality is None:
        return f"At full turn: {rest}"
    reads = quality.get("reader")
    asked = Quality(quality["name"], quality["unit"], quality["range"], reads)
    fits = quality["windows"].values()
    amounts = np.asarray(heard["amount"])
    measured = np.mean([fit["measured"] for fit in fits], axis=0)
    uneven = float(np.abs(measured - amounts * measured[-1]).max())
    change = measured[-1] * asked.range
    moved = f"{asked.more[0].upper()}{asked.more[1:]} by {change:.2g} {asked.unit}"
    if asked.reader is not None:
        moved = f'"{asked.name}" {change:+.2g} {asked.unit}'
    return (
        f"{moved} at full turn, even to within {100 * uneven:.0f} % of the turn, {rest}"
    )
