"""Outputs that a notebook stores: MP3 players, PNG pictures, tables, errors."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from IPython.display import HTML, Image, display

from cak_jax.audio import sound_file
from cak_jax.effect import morph
from cak_jax.effect.effect import Effect, describe, load_effect
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import decibels, fitting_gain
from cak_jax.report import comparison_figures, kernel_figure, sound_figures
from cak_jax.report.html_page import embed, fill, typeset_column
from cak_jax.report.style import to_png
from cak_jax.runtime.errors import UserError

ASSETS = pathlib.Path(__file__).parent / "assets"
DPI = 80
QUIETEST = 1e-5


class NotebookError(UserError):
    """Something that the user can mend; notebooks show only its message."""

    def _render_traceback_(self) -> list[str]:
        # IPython calls this where it would print a traceback.
        return [f"error: {line}" for line in str(self).splitlines()]


@contextlib.contextmanager
def short_errors() -> Iterator[None]:
    """Turn user errors and the system's errors into `NotebookError`.

    Used as a decorator, too: `@short_errors()`. A fault of the program keeps its
    traceback.
    """
    try:
        yield
    except OSError as error:
        prefix = f"{error.filename}: " if error.filename else ""
        raise NotebookError(f"{prefix}{error.strerror or error}") from None
    except UserError as error:
        raise NotebookError(str(error)) from None


def updatable_output() -> Callable[[Any], None]:
    """Add an output to the current cell; return a function that replaces its content.

    The function does nothing where there is no notebook.
    """
    handle = display(HTML(""), display_id=True)
    return handle.update if handle is not None else lambda item: None


def show(item: Any) -> None:
    """Show an item in the cell's output."""
    display(item)


def picture(figure: Any) -> Any:
    """Return a figure as a PNG picture to show."""
    return Image(data=to_png(figure, DPI), format="png")


def players(sounds: dict[str, np.ndarray], sample_rate: int, note: str = "") -> Any:
    """Return a row of players to show, for sounds that are compared.

    Args:
      sounds: label -> `[channels, samples]` float. If one of them goes above full
        scale, all are turned down by the same gain.
      sample_rate: Hz.
      note: a line above them.
    """
    gain = np.float32(fitting_gain(*sounds.values()))
    if gain < 1:
        note += f" (all turned down by {-decibels(gain):.1f} dB)"
    sources = []
    for label, sound in sounds.items():
        mp3 = sound_file.encode_preview(sound * gain, sample_rate)
        sources.append((label, embed("audio/mpeg", mp3)))
    return HTML(fill(ASSETS / "players.html", note=note.strip(), players=sources))


def table(columns: dict[str, list[Any]]) -> Any:
    """Return a table to show; columns are heading -> values."""
    cells = [typeset_column(values) for values in columns.values()]
    rows = list(zip(*cells, strict=True))
    return HTML(fill(ASSETS / "table.html", headings=list(columns), rows=rows))


@short_errors()
def listen(
    effects: Effect | dict[str, Effect],
    sound: np.ndarray,
    sample_rate: int,
    amounts: Sequence[float] = (1.0,),
    note: str = "",
    **options: Any,
) -> None:
    """Show players of a sound, dry and through effects, at the same loudness.

    Args:
      effects: one, or several by name.
      sound, sample_rate: `[channels, samples]` float, and its rate in Hz.
      amounts: of the calibrated knob, one player each.
      note: a line above them.
      **options: of `cak_jax.render`: mix, size, flip, tilt, loudness, channels.
    """
    named = effects if isinstance(effects, dict) else {"amount": effects}
    sounds = {"dry": sound}
    for name, effect in named.items():
        for amount in amounts:
            label = f"{name} {amount:g}"
            sounds[label] = render(effect, sound, sample_rate, amount=amount, **options)
    show(players(sounds, sample_rate, note))


@short_errors()
def shapes(
    effect: Effect,
    sound: np.ndarray,
    sample_rate: int,
    amount: float,
    variants: dict[str, dict[str, Any]],
) -> None:
    """Show players of one effect in several shapes, at the same loudness.

    Args:
      effect, sound, sample_rate, amount: as in `listen`.
      variants: label -> options of `cak_jax.render`, such as `{"size": (4, 1)}`.
    """
    sounds = {
        label: render(effect, sound, sample_rate, amount=amount, **options)
        for label, options in variants.items()
    }
    show(players({"dry": sound} | sounds, sample_rate))


@short_errors()
def spectrograms(
    effect: Effect,
    sound: np.ndarray,
    sample_rate: int,
    amounts: Sequence[float] = (0.5, 1.0),
    **options: Any,
) -> None:
    """Show a sound's spectrogram before and after, and the difference; see `listen`."""
    n_fft, hop_length = effect.spectrogram.n_fft, effect.spectrogram.hop_length
    settings = SpectrogramSettings(sample_rate, n_fft, hop_length)
    dry = _levels(sound, settings)
    wets = [
        _levels(render(effect, sound, sample_rate, amount=a, **options), settings)
        for a in amounts
    ]
    figure = sound_figures.spectrograms(
        dry, wets, amounts, sample_rate, hop_length, "Amount"
    )
    show(picture(figure))


def _levels(sound: np.ndarray, settings: SpectrogramSettings) -> np.ndarray:
    magnitude = np.abs(spectral.stft(np.mean(sound, axis=0), settings))
    return decibels(magnitude, floor=QUIETEST)


@short_errors()
def kernel(effect: Effect) -> None:
    """Show an effect's kernel: its weights, their direction, their response.

    Below it stand the spacing, the quality and the knob's table, where it has them.
    """
    figure = kernel_figure.kernel(effect.kernel, effect.spectrogram, effect.spacing)
    show(picture(figure))
    for line in describe(effect):
        print(line)


@short_errors()
def kernels(effects: dict[str, Effect]) -> None:
    """Show the weights of several effects side by side."""
    show(picture(comparison_figures.kernels(effects)))


@short_errors()
def between(one: str, other: str, steps: int) -> dict[str, Effect]:
    """Return effects from one to another in equal steps, both ends included.

    Args:
      one, other: as `effect` takes them.
      steps: number of effects, at least 2.
    """
    if steps < 2:
        raise NotebookError(f"steps must be at least 2, got {steps}")
    ends = [effect(one), effect(other)]
    shares = np.linspace(0.0, 1.0, steps)
    return {
        f"{100 * (1 - share):.0f}% {one}, {100 * share:.0f}% {other}": morph.morph(
            ends, [1.0 - share, share]
        )
        for share in shares
    }


@short_errors()
def effect(name: str) -> Effect:
    """Return an effect: a shipped name, a file, a run folder or a text code."""
    return load_effect(name)


@short_errors()
def save(path: str, sound: np.ndarray, sample_rate: int) -> pathlib.Path:
    """Write `[channels, samples]` float as 24-bit WAV, replacing a file that exists.

    The sound is turned down if it goes above full scale.
    """
    gain = fitting_gain(sound)
    if gain < 1.0:
        print(f"turned down by {-decibels(gain):.1f} dB, or it would clip")
    sound_file.write(path, sound * gain, sample_rate, "WAV", "PCM_24", overwrite=True)
    return pathlib.Path(path)
