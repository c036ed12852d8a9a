"""What the scripts of the paper's figures share: effects by name, Markdown tables."""

from cak_jax.effect import locate
from cak_jax.effect.effect import Effect, load_effect


def published_effect() -> Effect:
    """Return the published effect, the one that comes with the package."""
    return load_effect(locate.find("published"))


def effect_of(name: str) -> Effect:
    """Return the published effect for the word `published`, else the file's."""
    return published_effect() if name == "published" else load_effect(name)


def beside_published(name: str) -> dict[str, Effect]:
    """Return the published effect and a file's by name, in this order."""
    ours = effect_of(name)
    other = ours.name if ours.name != "published" else "ours"
    return {"published": published_effect(), other: ours}


def print_table(head: list[str], rows: list[list]) -> None:
    """Print a Markdown table; floats are written with three decimals."""
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(cell(value) for value in row) + " |")


def cell(value) -> str:
    """Write a number as short as it reads well; what is too small for that, in full."""
    if isinstance(value, str | int):
        return str(value)
    if value == 0:
        return "0"
    small = abs(value) < 5e-4
    return f"{value:.1e}" if small else f"{value:.3f}"


def joined(values) -> str:
    """Write several numbers into one cell."""
    return ", ".join(f"{value:.3f}" for value in values)
