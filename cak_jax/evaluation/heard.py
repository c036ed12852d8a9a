"""What an effect does to the ear: qualities, level, bass and peaks of rendered sound.

Sounds are rendered as a person renders them and measured with NumPy alone, at the
game's window and at one that it does not use. So the training was not scored by this.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect, Quality
from cak_jax.effect.quality import measurable, reader, target
from cak_jax.evaluation.agreement import compare, fit
from cak_jax.evaluation.knob_response import HEARD_SECONDS, loudest
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model.quality_names import WORDS, split
from cak_jax.rendering import in_memory
from cak_jax.rendering.loudness import decibels
from cak_jax.runtime import json_file
from cak_jax.runtime.text import counted

AMOUNTS = np.array([0.25, 0.5, 0.75, 1.0])
# Samples at 44.1 kHz, scaled to the effect's rate. The game uses 1024 at any rate.
WINDOWS = (1024, 4096)
BASS_HZ = 250.0
HISS_HZ = 4000.0
TINY = 1e-12
# What may change beside the quality in a usable sound.
USABLE_DB = 6.0
# By unit, the change of another quality from which on the sentence names it.
WORTH_SAYING = {"dB": 0.5, "octaves": 0.05, "natural log": 0.05}
FLOOR = 1e-6  # amplitude below which nothing counts, -120 dB
# Clips from which on their spread says something.
FEWEST = 8
INFINITE = "What is heard cannot be measured: the effect makes infinite samples."


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
    window = 2048
    before, after = (np.square(magnitudes(audio, window)) for audio in (dry, wet))
    samples_before, samples_after = (
        np.square(audio, dtype=np.float64) for audio in (dry, wet)
    )
    frequency, total = np.fft.rfftfreq(window, 1 / rate), before.sum(axis=1)
    bass, hiss = frequency < BASS_HZ, frequency > HISS_HZ
    quiet = np.argsort(total, kind="stable")[: max(1, len(total) // 10)]
    level = _rise(samples_before.mean(), samples_after.mean())
    rises = {
        "bass_db": _rise(before[:, bass].sum(), after[:, bass].sum()),
        "peak_db": _rise(samples_before.max(), samples_after.max()),
        "hiss_db": _rise(before[quiet][:, hiss].sum(), after[quiet][:, hiss].sum()),
    }
    return {"level_db": level} | {name: rise - level for name, rise in rises.items()}


def _rise(before: float, after: float) -> float:
    """Return the change from one energy to another in dB, none below -120 dB."""
    first, second = decibels(np.sqrt([before, after]), floor=FLOOR)
    return float(second - first)


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
      "usable_to", the largest of the amounts up to which level, bass and peaks change
      by `USABLE_DB` at most in the median (the bass of a knob of brightness does not
      count), 0 if there is none;
      "changes", by quality the mean change at each amount in the quality's unit. If the
      effect names a quality that this version knows, "quality" has what the effect file
      has of it, "rising_share", the share of steps of the knob that raise it,
      "dry_correlation", of the change at full turn with the dry clip's value (not for
      fewer than 8 clips, or clips that are alike), and
      "windows": by window the fit of measured on requested change, in units of the
      range, as of `agreement.fit`; of the clips at each amount "measured", the mean,
      "lower" and "upper", the quartiles; and for a quality with a target "to_target",
      slope, R2 and mean error of measured on the amount's share of each clip's own way.
    """
    rate = effect.spectrogram.sample_rate
    windows = [_window(size, rate) for size in WINDOWS]
    span = round(HEARD_SECONDS * rate)

    def one(clip: np.ndarray) -> tuple[np.ndarray, list[dict[str, float]]]:
        dry = loudest(np.asarray(clip), span)
        wets = [
            in_memory.render(
                effect,
                dry,
                rate,
                amount=float(a),
                compiled=True,
                loudness="none",
                peaks="none",
            )
            for a in AMOUNTS
        ]
        values = [
            [list(measure(audio, rate, window).values()) for audio in [dry, *wets]]
            for window in windows
        ]
        return np.array(values), [side_effects(dry, wet, rate) for wet in wets]

    results = over_clips(one, clips, "listening", progress)
    # [clip, window, amount, quality], the dry sound taken off.
    values = np.stack([value for value, _ in results])
    moved = values[:, :, 1:] - values[:, :, :1]
    medians = [
        {name: float(np.median([side[name] for side in sides])) for name in sides[0]}
        for sides in zip(*(side for _, side in results), strict=True)
    ]
    document: dict[str, Any] = {
        "clips": len(clips),
        "amount": AMOUNTS.tolist(),
        "side_effects": medians[-1],
        "usable_to": _usable_to(medians, effect.quality),
        "changes": {
            name: moved[..., index].mean(axis=(0, 1)).tolist()
            for index, name in enumerate(WORDS)
        },
    }
    quality = effect.quality
    if quality is not None and measurable(quality):
        weights = np.array(reader(quality))
        readings = values[:, :, 0] @ weights
        shares = moved @ weights / _stretch(readings)[:, None]
        # At the game's window, because the target is a value there.
        way = np.maximum(target(quality) - readings[:, 0], 0.0)
        steps = np.diff(shares, axis=2, prepend=0.0)
        correlation: dict[str, float] = {}
        if len(clips) >= FEWEST and readings[:, 0].std() and shares[:, 0, -1].std():
            pair = np.corrcoef(readings[:, 0], shares[:, 0, -1])
            correlation["dry_correlation"] = float(pair[0, 1])
        document["quality"] = (
            quality.to_document()
            | correlation
            | {
                "rising_share": float((steps > 0).mean()),
                "windows": {
                    str(size): _window_of(shares[:, place], way)
                    for place, size in enumerate(windows)
                },
            }
        )
    return document


def _usable_to(medians: list[dict[str, float]], quality: Quality | None) -> float:
    names = ["level_db", "peak_db", "bass_db"]
    if quality is not None and split(quality.name)[0] == "spectral_centroid":
        names.remove("bass_db")
    usable = 0.0
    for amount, sides in zip(AMOUNTS, medians, strict=True):
        # False for NaN, too.
        if not all(abs(sides[name]) <= USABLE_DB for name in names):
            break
        usable = float(amount)
    return usable


def _stretch(readings: np.ndarray) -> np.ndarray:
    """Return the size of a unit of the range at each window, 1 at the first.

    In long frames strokes are smeared, so all sounds are nearer to each other. The unit
    is as much smaller as the spread of the dry clips, `[clip, window]`.
    """
    spread = readings.std(axis=0)
    if len(readings) < FEWEST or not (spread > 0).all():
        return np.ones(readings.shape[1])
    return np.asarray(spread / spread[0])


def _window_of(shares: np.ndarray, way: np.ndarray) -> dict[str, Any]:
    """Return the fits of `[clip, amount]`; `way` `[clip]` may be infinite."""
    fits: dict[str, Any] = fit(AMOUNTS, shares) | _spread(shares)
    if np.isfinite(way).all() and way.any():
        fits["to_target"] = compare(way[:, None] * AMOUNTS, shares)
    return fits


def _spread(shares: np.ndarray) -> dict[str, list[float]]:
    """Return mean and quartiles over clips at each amount, from `[clip, amount]`."""
    lower, upper = np.percentile(shares, [25, 75], axis=0)
    return {
        "measured": shares.mean(axis=0).tolist(),
        "lower": lower.tolist(),
        "upper": upper.tolist(),
    }


def _window(size: int, rate: int) -> int:
    """Return the window of as many seconds at a rate, a multiple of 4."""
    return max(16, 4 * round(size * rate / 44100 / 4))


def side_rows(heard: dict[str, Any]) -> list[list[Any]]:
    """Return what changes at full turn as rows: name, number, unit."""
    labels = {
        "level_db": "level",
        "bass_db": "bass",
        "peak_db": "peaks",
        "hiss_db": "hiss in pauses",
    }
    sides, changes = heard["side_effects"], heard["changes"]
    return [
        *([label, sides[name], "dB"] for name, label in labels.items()),
        *([name, changes[name][-1], words.unit] for name, words in WORDS.items()),
    ]


def companion_rows(heard: dict[str, Any]) -> list[list[Any]]:
    """Return what goes with the quality: name, asked for and heard at 1, unit."""
    asked = heard.get("quality", {}).get("companions", {})
    return [
        [name, change, heard["changes"][name][-1], WORDS[name].unit]
        for name, change in asked.items()
        if name in heard["changes"]
    ]


def is_finite(heard: dict[str, Any]) -> bool:
    """Say whether every number of `measure_heard` is one; null counts as none.

    Effects with extreme constants can render infinite samples.
    """
    numbers = (value for _, value in json_file.leaves(heard, lists=True))
    return all(
        value is not None and (isinstance(value, str) or bool(np.isfinite(value)))
        for value in numbers
    )


def quality_changes(
    quality: dict[str, Any], statistic: str = "measured"
) -> list[float]:
    """Return a quality's change at each amount in its unit, mean over both windows.

    `quality` is of `measure_heard`. A change in the direction of the knob is above 0,
    also for less of a quality. `statistic` may be "lower" or "upper" as well.
    """
    fits = quality["windows"].values()
    mean = np.mean([fitted[statistic] for fitted in fits], axis=0)
    return [float(share) * quality["range"] for share in mean]


def quality_of(quality: dict[str, Any]) -> Quality:
    """Return the quality that `measure_heard` was asked for, from its record."""
    reads = quality.get("reader")
    return Quality(quality["name"], quality["unit"], quality["range"], reads)


def in_words(quality: Quality, change: float) -> str:
    """Return a change of a quality in words.

    A change in natural logarithms is said as a factor.

    >>> in_words(Quality("spectral_flatness", "dB", 20.0), 11.2)
    'noisier by 11 dB'
    >>> in_words(Quality("-attack", "natural log", 1.0), 0.7)
    'more sustained by a factor of 2'
    >>> in_words(Quality("attack", "natural log", 1.0), 0.049)
    'more percussive by a factor of 1.05'
    >>> in_words(Quality("-spectral_flatness", "dB", 20.0), -11.2)
    'noisier by 11 dB'
    >>> in_words(Quality("warmth", "points", 2.0, {"attack": 1.0}), 1.5)
    '"warmth" +1.5 points'
    """
    name, sign = split(quality.name)
    if quality.reader is not None:
        return f'"{quality.name}" {change:+.2g} {quality.unit}'
    words = WORDS[name]
    word, change = words.more if sign * change > 0 else words.less, abs(change)
    if words.unit == "natural log":
        return f"{word} by a factor of {_factor(change)}"
    return f"{word} by {change:.2g} {words.unit}"


def sentence(heard: dict[str, Any], held_out: bool) -> str:
    """Return what is heard in one sentence, for a terminal or a page.

    Args:
      heard: result of `measure_heard`.
      held_out: whether the clips were not trained on.
    """
    if not is_finite(heard):
        return INFINITE
    sides, quality = heard["side_effects"], heard.get("quality")
    clips = counted(heard["clips"], "clip")
    if held_out:
        clips += " it has not heard"
    rest = (
        f"level {sides['level_db']:+.1f} dB, bass {sides['bass_db']:+.1f} dB, peaks "
        f"{sides['peak_db']:+.1f} dB; tried on {clips}."
    )
    if quality is None:
        changes = heard["changes"].items()
        moved = [_moved(name, change[-1]) for name, change in changes]
        return f"At full turn {', '.join(moved)}; {rest}"
    changes = np.asarray(quality_changes(quality))
    asked = quality_of(quality)
    said = in_words(asked, changes[-1])
    said = f"{said[0].upper()}{said[1:]} at full turn"
    ends = [quality_changes(quality, name)[-1] for name in ("lower", "upper")]
    if changes[-1] <= 0:
        return f"{said}, though the knob is to make it {asked.more}; {rest}"
    uneven = np.abs(changes / changes[-1] - heard["amount"]).max()
    half = f"half of the clips {_number(asked, ends[0])} to {_number(asked, ends[1])}"
    along = [
        _moved(name, change)
        for name, _, change, unit in companion_rows(heard)
        if abs(change) >= WORTH_SAYING[unit]
    ]
    if along:
        rest = f"with it {', '.join(along)}; {rest}"
    return f"{said} ({half}), even to within {100 * uneven:.0f} % of the turn, {rest}"


def _moved(name: str, change: float) -> str:
    """Return the change of a quality of `WORDS` in words."""
    return in_words(Quality(name, WORDS[name].unit, 1.0), change)


def _number(quality: Quality, change: float) -> str:
    """Return a change as the number that `in_words` says, without its words."""
    if quality.reader is None and WORDS[split(quality.name)[0]].unit == "natural log":
        return _factor(change)
    return f"{change:.2g}"


def _factor(change: float) -> str:
    """Return a natural logarithm as a factor, with a digit more where it is near 1."""
    factor = np.exp(change)
    return f"{factor:.3g}" if factor < 1.2 else f"{factor:.2g}"
