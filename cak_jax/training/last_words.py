"""The last words of a run on the terminal: three sentences, then how to go on.

They are for a person who makes music. The report has the measures behind them.
"""

import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from cak_jax.effect.effect import Effect
from cak_jax.evaluation import convergence, heard
from cak_jax.runtime.text import align, counted
from cak_jax.training.run_summary import hear_command


class LastWords(NamedTuple):
    """What a run says at its end: sentences, and commands to go on."""

    sentences: list[str]
    commands: list[str]


def of_effect(
    effect: Effect,
    measured: dict[str, Any],
    audit: str,
    held_out: bool,
    folder: pathlib.Path,
) -> LastWords:
    """Return the last words of a run that made an effect.

    Args:
      effect: the run's.
      measured: its `evaluation.json`.
      audit: of the game.
      held_out: whether the clips were not trained on.
      folder: of the run.
    """
    if convergence.heard_quality(measured) is not None:
        found = measured["heard"]
        sentences = [_what_is_heard(found), _how_far(found["usable_to"])]
    else:
        change = measured["change"]
        sentences = [
            f"At control 1 a sound's spectrum changes by "
            f"{change['spectral_distance_db'][-1]:.1f} dB on average.",
            f"Its level changes by {change['level_change_db'][-1]:+.1f} dB, which is "
            "taken back when the effect is applied.",
        ]
    clips = counted(measured["clips"], "clip")
    tried = f"tried on {clips}" + (" that it had not heard" if held_out else "")
    sentences.append(f"{convergence.plainly(measured, audit)}; {tried}.")
    hear = [hear_command(folder, effect), "# hear it on a file of yours"]
    return LastWords(sentences, _commands(hear, _see(folder)))


def of_generator(sentences: Sequence[str], folder: pathlib.Path) -> LastWords:
    """Return the last words of a run that no effect file can hold."""
    return LastWords(list(sentences), _commands(_see(folder)))


def _what_is_heard(found: dict[str, Any]) -> str:
    """Return what full and half a turn do; `found` is of `heard.measure_heard`."""
    if not heard.is_finite(found):
        return heard.INFINITE
    quality = found["quality"]
    asked = heard.quality_of(quality)
    changes = heard.quality_changes(quality)
    half = changes[found["amount"].index(0.5)]
    said = (
        f"At full turn a sound gets {heard.in_words(asked, changes[-1])}, at half a "
        f"turn {heard.in_words(asked, half)}"
    )
    if changes[-1] <= 0:
        said += f", though the knob is to make it {asked.more}"
    return f"{said}."


def _how_far(usable_to: float) -> str:
    most = f"{heard.USABLE_DB:g} dB"
    if usable_to >= 1:
        return f"Use all of the turn: level, bass and peaks change by {most} at most."
    if usable_to > 0:
        return (
            f"Use it up to --amount={usable_to:g}. Above that, level, bass or peaks "
            f"change by more than {most}."
        )
    return (
        f"Use little of it: at a quarter of the turn level, bass or peaks change by "
        f"more than {most}."
    )


def _see(folder: pathlib.Path) -> list[str]:
    page = shlex.quote(str(folder / "report.html"))
    python = pathlib.Path(sys.executable).stem
    return [f"{python} -m webbrowser {page}", "# see and hear what was measured"]


def _commands(*rows: list[str]) -> list[str]:
    return align([[f"  {command}", note] for command, note in rows])
