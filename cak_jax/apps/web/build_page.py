"""One HTML file that runs effects in the browser, built from `assets/`.

The page loads nothing. Its style and its program are inline, and the content security
policy names them by their hashes. The audio thread's program stands in the page as
text; effects stand in it as text codes.
"""

import pathlib
from typing import Any

from cak_jax.effect import text_code
from cak_jax.effect.effect import describe, from_document
from cak_jax.effect.schema import EffectError
from cak_jax.report.html_page import fill, policy_hash

ASSETS = pathlib.Path(__file__).resolve().parent / "assets"
# Scripts in the order in which the browser reads them.
AUDIO_THREAD = ("fourier", "layout", "level", "limit", "core", "loudness", "worklet")
PAGE = (
    *("level", "limit", "loudness", "layout", "code", "address", "wav", "demo"),
    *("bytes", "chunks", "mpeg", "streams"),
    *("render", "sound", "player", "midi", "dial", "field", "picture"),
    *("app", "history", "fourier", "guard", "view"),
)
HEADINGS = ("A learned audio effect", "Learned audio effects")
SENTENCE = (
    "Nine numbers that change a spectrogram, learned from a folder of sounds. "
    "Press play, turn the big knob, then open a sound of your own."
)
# Hz that every browser plays (Web Audio API, section 1.9).
RATES = (8000, 96000)
# Characters; a longer line about an effect is not shown.
LONGEST_ABOUT = 200


def make_page(documents: list[dict[str, Any]]) -> str:
    """Return the page of effects, whose documents `check_effect` has checked."""
    effects = [entry(document) for document in documents]
    style, script = _read("style.css"), _program(PAGE)
    return fill(
        ASSETS / "index.html",
        policy=(
            f"default-src 'none'; style-src {policy_hash(style)}; "
            f"script-src {policy_hash(script)} blob: data:; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        title=", ".join(effect["name"] for effect in effects),
        heading=HEADINGS[len(effects) > 1],
        sentence=SENTENCE,
        style=style,
        worklet=_program(AUDIO_THREAD),
        effects=effects,
        script=script,
    )


def entry(document: dict[str, Any]) -> dict[str, str]:
    """Return an effect as the page holds it: name, a line about it, text code.

    The line is its character, up to which amount it is usable, and what was heard at
    the end of its training, or else what its knob changes.
    """
    provenance = document.get("provenance", {})
    about, usable = provenance.get("character", ""), provenance.get("usable_to")
    fits = isinstance(about, str) and len(about) <= LONGEST_ABOUT
    lines = [about] if fits and about.isprintable() else []
    if isinstance(usable, int | float):
        lines.append(f"use up to {usable:g}")
    found = describe(from_document(document))
    lines += found[:1] if isinstance(provenance.get("heard"), str) else found
    return {
        "name": document["name"],
        "about": "; ".join(filter(None, lines)).removesuffix("."),
        "code": text_code.encode(document, document["name"]),
    }


def check_effect(document: dict[str, Any], source: str) -> None:
    """Refuse an effect that a browser cannot play.

    Raises:
      EffectError: one line that names the source, the field and the remedy.
    """
    settings = document["spectrogram"]
    n_fft, rate = settings["n_fft"], settings["sample_rate"]
    if n_fft & (n_fft - 1):
        raise EffectError(
            f"{source}: spectrogram.n_fft is {n_fft}; the page's transform takes "
            "powers of two: train with --config.spectrogram.n_fft=2048, for example"
        )
    if not RATES[0] <= rate <= RATES[1]:
        raise EffectError(
            f"{source}: spectrogram.sample_rate is {rate}; browsers play {RATES[0]} to "
            f"{RATES[1]} Hz: render with cak apply instead"
        )
    text_code.encode(document, source)


def _program(names: tuple[str, ...]) -> str:
    return '"use strict";\n' + "\n".join(_read(f"{name}.js") for name in names)


def _read(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")
