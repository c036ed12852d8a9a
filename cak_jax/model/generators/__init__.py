"""Generators: one module each, listed in `table.GENERATORS`.

- `protocol`: what the game needs of a generator.
- `cak`: the paper's transform, eleven learned numbers, kept as an effect file.
- `film`: a small network under feature-wise modulation, which CAK is compared with.

To add one, write `NAME.py` with what `protocol.Generator` lists and add a line to
`table.py`. `tests/model/test_generators.py` runs over the table.
"""
