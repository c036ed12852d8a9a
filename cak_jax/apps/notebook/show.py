"""What a notebook shows: players at matched loudness, spectrograms, kernels, figures.

The only importer of IPython. Pictures are PNG, sounds MP3, both inside the notebook.
"""

import pathlib

import numpy as np

from cak_jax.apps.notebook.errors import NotebookError, told
from cak_jax.audio import sound_file
from cak_jax.effect import morph
from cak_jax.effect.effect import Effect, load_effect
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import SpectrogramSettings
from cak_jax.rendering.in_memory import render
from cak_jax.rendering.loudness import decibels, fitting_gain
from cak_jax.report.html_page import embed, fill, typeset_column
from cak_jax.report.style import to_png

ASSETS = pathlib.Path(__file__).parent / "assets"
DPI = 80
QUIETEST = 1e-5


class Place:
    """A place in a notebook's output, here and now, that is filled again and again."""

    def __init__(self):
        from IPython.display import HTML, display

        self._handle = display(HTML(""), display_id=True)

    def show(self, item) -> None:
        """Show an item there instead of what was there before."""
        if self._handle is not None:  # there is a notebook
            self._handle.update(item)


def show(item) -> None:
    """Show an item in the cell's output."""
    from IPython.display import display

    display(item)


def picture(figure):
    """Return a figure as a picture to show."""
    from IPython.display import Image

    return Image(data=to_png(figure, DPI), format="png")


def players(sounds: dict[str, np.ndarray], sample_rate: int, note: str = ""):
    """Return a row of players of sounds that are to be compared.

    Args:
      sounds: label -> `[channels, samples]` float. Where one of them goes above full
        scale all are turned down alike.
      sample_rate: of the sounds.
      note: a line above them.
    """
    from IPython.display import HTML

    gain = np.float32(fitting_gain(*sounds.values()))
    if gain < 1:
        note += f" (all turned down by {-decibels(gain):.1f} dB)"
    sources = [
        (
            label,
            embed("audio/mpeg", sound_file.encode_preview(sound * gain, sample_rate)),
        )
        for label, sound in sounds.items()
    ]
    return HTML(fill(ASSETS / "players.html", note=note.strip(), players=sources))


def table(columns: dict[str, list]):
    """Return columns as a table to show: heading -> values."""
    from IPython.display import HTML

    cells = [typeset_column(values) for values in columns.values()]
    rows = list(zip(*cells, strict=True))
    return HTML(fill(ASSETS / "table.html", headings=list(columns), rows=rows))


@told()
def listen(
    effects: Effect | dict[str, Effect],
    sound: np.ndarray,
    sample_rate: int,
    amounts=(1.0,),
    note: str = "",
    **options,
) -> None:
    """Show players of a sound, dry and through effects, at one loudness.

    Args:
      effects: one, or several by name.
      sound: `[channels, samples]` float.
      sample_rate: of the sound.
      amounts: of the calibrated knob, one player each.
      note: a line above them.
      **options: of `render.render`: mix, size, flip, tilt, loudness, channels.
    """
    several = isinstance(effects, dict)
    sounds = {"dry": sound}
    for name, effect in (effects if several else {"": effects}).items():
        for amount in amounts:
            label = f"{name} {amount:g}" if several else f"amount {amount:g}"
            sounds[label] = render(effect, sound, sample_rate, amount=amount, **options)
    show(players(sounds, sample_rate, note))


@told()
def shapes(
    effect: Effect,
    sound: np.ndarray,
    sample_rate: int,
    amount: float,
    variants: dict[str, dict],
) -> None:
    """Show players of one effect in several shapes, at one loudness.

    Args:
      effect: what to apply.
      sound: `[channels, samples]` float.
      sample_rate: of the sound.
      amount: of the calibrated knob.
      variants: label -> options of `render.render`, such as `{"size": (4, 1)}`.
    """
    sounds = {
        label: render(effect, sound, sample_rate, amount=amount, **options)
        for label, options in variants.items()
    }
    show(players({"dry": sound} | sounds, sample_rate))


@told()
def spectrograms(
    effect: Effect,
    sound: np.ndarray,
    sample_rate: int,
    amounts=(0.5, 1.0),
    **options,
) -> None:
    """Show the spectrogram of a sound before and after, and their difference.

    Args:
      effect, sound, sample_rate, amounts, **options: as in `listen`.
    """
    from cak_jax.report import sound_figures

    own = effect.spectrogram
    settings = SpectrogramSettings(sample_rate, own.n_fft, own.hop_length)
    dry = _levels(sound, settings)
    wets = [
        _levels(render(effect, sound, sample_rate, amount=a, **options), settings)
        for a in amounts
    ]
    shown = dry, wets, amounts, sample_rate, own.hop_length
    show(picture(sound_figures.spectrograms(*shown, knob="Amount")))


def _levels(sound: np.ndarray, settings: SpectrogramSettings) -> np.ndarray:
    magnitude = np.abs(spectral.stft(np.mean(sound, axis=0), settings))
    return decibels(magnitude, floor=QUIETEST)


@told()
def kernel(effect: Effect) -> None:
    """Show an effect's kernel: its weights, where they point, what they respond to."""
    from cak_jax.report import kernel_figure

    weights = np.asarray(effect.kernel)
    show(picture(kernel_figure.kernel(weights, effect.spectrogram)))


@told()
def kernels(effects: dict[str, Effect]) -> None:
    """Show the weights of several effects side by side."""
    from cak_jax.report import comparison_figures

    show(picture(comparison_figures.kernels(effects)))


@told()
def between(one: str, other: str, steps: int) -> dict[str, Effect]:
    """Return the effects on the way from one to another, both ends among them.

    Args:
      one, other: what `load_effect` takes.
      steps: how many, at least 2.
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


@told()
def effect(name: str) -> Effect:
    """Return an effect: a shipped name, a file, a run folder or a text code."""
    return load_effect(name)


@told()
def pictures(folder: pathlib.Path, pattern: str = "*.png") -> None:
    """Show the pictures in a folder, in the order of their names."""
    from IPython.display import Image

    found = sorted(pathlib.Path(folder).glob(pattern))
    if not found:
        raise NotebookError(f"{folder}: holds no {pattern}")
    for path in found:
        show(Image(filename=str(path), width=1000))


@told()
def save(path: str, sound: np.ndarray, sample_rate: int) -> pathlib.Path:
    """Write a sound as 24-bit WAV, turned down where it goes above full scale.

    Args:
      path: of the file, replaced if it exists.
      sound: `[channels, samples]` float.
      sample_rate: of the sound.
    """
    gain = fitting_gain(sound)
    if gain < 1.0:
        print(f"turned down by {-decibels(gain):.1f} dB, or it would clip")
    sound_file.write(path, sound * gain, sample_rate, "WAV", "PCM_24", overwrite=True)
    return pathlib.Path(path)
