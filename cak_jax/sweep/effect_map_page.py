"""The page of a map of effects: points that play what they do."""

import numpy as np

from cak_jax.report.html_page import embed, escape, make_page

WIDTH, HEIGHT, RIM = 900.0, 560.0, 40.0
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#888888")
RADIUS = 8.0

# A point plays its sound from the start and stops the one before it.
PLAY = """
let playing = null;
document.querySelectorAll("[data-sound]").forEach(point => {
  const play = () => {
    if (playing) playing.pause();
    playing = document.getElementById(point.dataset.sound);
    playing.currentTime = 0;
    playing.play();
    document.getElementById("said").textContent = point.dataset.name;
  };
  point.addEventListener("click", play);
  point.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); play(); }
  });
});
"""


def render(
    name: str,
    animals: list[dict],
    places: np.ndarray,
    axes: list[list[str]],
    dry: bytes,
) -> str:
    """Return the page.

    Args:
      name: of the sweep.
      animals: of every effect its "name", swept "values" and "sound" (MP3).
      places: `[effect, 2]`.
      axes: what grows and falls along either.
      dry: the sound without any effect (MP3).
    """
    field = colour_field(animals)
    kinds = list(dict.fromkeys(_kind(animal, field) for animal in animals))
    body = [
        f"<h1>{escape(name)}: {len(animals)} effects by what they do</h1>",
        "<p>Each point is an effect; near ones do alike. A click plays it on the same "
        "sound; Tab and Enter do as well.</p>",
        f"<p><strong>to the right</strong> {escape(', '.join(axes[0]))}; "
        f"<strong>upwards</strong> {escape(', '.join(axes[1]))}</p>",
        _legend(field, kinds),
        _map(animals, places, field, kinds),
        f'<p id="said" aria-live="polite" class="muted">dry sound: '
        f'<audio controls preload="none" src="{embed("audio/mpeg", dry)}"></audio></p>',
        "<section><h2>All of them</h2>",
        *(_player(number, animal) for number, animal in enumerate(animals)),
        "</section>",
    ]
    return make_page(f"{name}: map of effects", "\n".join(body), PLAY)


def colour_field(animals: list[dict]) -> str:
    """Return the swept field with the fewest values above one: it gives the colour."""
    counts = {
        field: len({str(animal["values"][field]) for animal in animals})
        for field in animals[0]["values"]
    }
    several = {field: count for field, count in counts.items() if count > 1}
    return min(several, key=several.get) if several else ""


def _kind(animal: dict, field: str) -> str:
    return str(animal["values"][field]) if field else ""


def _colour(kind: str, kinds: list[str]) -> str:
    return COLOURS[min(kinds.index(kind), len(COLOURS) - 1)]


def _legend(field: str, kinds: list[str]) -> str:
    if not field:
        return ""
    named = [
        f'<span style="color: {_colour(kind, kinds)}">&#9679; {escape(kind)}</span>'
        for kind in kinds
    ]
    return f"<p>{escape(field)}: {' '.join(named)}</p>"


def _map(animals, places, field, kinds) -> str:
    """Return the points as SVG, each of them a button."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    points = []
    for number, (animal, place) in enumerate(zip(animals, places, strict=True)):
        x, y = (place - low) / span
        left = RIM + x * (WIDTH - 2 * RIM)
        top = HEIGHT - RIM - y * (HEIGHT - 2 * RIM)
        title = escape(animal["name"])
        points.append(
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{RADIUS:g}" tabindex="0" '
            f'role="button" fill="{_colour(_kind(animal, field), kinds)}" '
            f'fill-opacity="0.75" stroke="#fff" data-sound="sound{number}" '
            f'data-name="{title}" aria-label="play {title}" '
            f'style="cursor: pointer"><title>{title}</title></circle>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="group" '
        'style="width: 100%; border: 1px solid var(--rule); border-radius: .5rem">'
        f"{''.join(points)}</svg>"
    )


def _player(number: int, animal: dict) -> str:
    source = embed("audio/mpeg", animal["sound"])
    return (
        f'<div class="preview"><h3>{escape(animal["name"])}</h3>'
        f'<div class="sounds"><audio id="sound{number}" controls preload="none" '
        f'src="{source}"></audio></div></div>'
    )
