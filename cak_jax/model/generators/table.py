"""All generators by name: the values of `game.generator`."""

from cak_jax.model.generators import cak, film
from cak_jax.model.generators.protocol import Generator

GENERATORS: dict[str, Generator] = {"cak": cak, "film": film}
