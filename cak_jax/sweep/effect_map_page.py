"""The page of a map of effects: points that play the effects."""

import pathlib
from typing import Any

import numpy as np

from cak_jax.report.html_page import embed, fill_page

ASSETS = pathlib.Path(__file__).parent / "assets"
# Units of the drawing, which is as wide as the page.
WIDTH, HEIGHT, RIM, RADIUS = 900, 560, 40, 8
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#888888")


def render(
    name: str,
    effects: list[dict[str, Any]],
    places: np.ndarray,
    axes: list[list[str]],
    dry: bytes,
) -> str:
    """Return the page.

    Args:
      name: of the sweep.
      effects: of every effect its "name", swept "values" and "sound" (MP3).
      places: `[effect, 2]`.
      axes: for either axis the features that grow and fall along it.
      dry: the sound without any effect (MP3).
    """
    field = colour_field(effects)
    kinds = [str(effect["values"][field]) if field else "" for effect in effects]
    distinct = list(dict.fromkeys(kinds))
    # The last colour stands for all further values.
    colours = {
        kind: COLOURS[min(number, len(COLOURS) - 1)]
        for number, kind in enumerate(distinct)
    }
    low, high = places.min(axis=0), places.max(axis=0)
    shares = (places - low) / np.where(high > low, high - low, 1.0)
    points = [
        {
            "name": effect["name"],
            "sound": embed("audio/mpeg", effect["sound"]),
            "colour": colours[kind],
            "left": f"{RIM + right * (WIDTH - 2 * RIM):.1f}",
            "top": f"{HEIGHT - RIM - up * (HEIGHT - 2 * RIM):.1f}",
        }
        for effect, kind, (right, up) in zip(effects, kinds, shares, strict=True)
    ]
    return fill_page(
        ASSETS / "effect_map.html",
        title=f"{name}: map of effects",
        script=(ASSETS / "effect_map.js").read_text("utf-8"),
        heading=f"{name}: {len(effects)} effects by what they do",
        right=", ".join(axes[0]),
        up=", ".join(axes[1]),
        field=field,
        kinds=[{"name": kind, "colour": colours[kind]} for kind in distinct],
        points=points,
        dry=embed("audio/mpeg", dry),
        width=WIDTH,
        height=HEIGHT,
        radius=RADIUS,
    )


def colour_field(effects: list[dict[str, Any]]) -> str:
    """Return the swept field that gives the colours; "" where none has two values.

    It is the field with the fewest values among those with at least two.
    """
    counts = {
        field: len({str(effect["values"][field]) for effect in effects})
        for field in effects[0]["values"]
    }
    several = {field: count for field, count in counts.items() if count > 1}
    return min(several, key=lambda field: several[field]) if several else ""
