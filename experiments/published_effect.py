"""Write the published effect (arXiv 2508.02643) as an effect file.

    python experiments/published_effect.py OUT.json

Its numbers come from `tests/golden/published_model.json` (published under the MIT
licence in the repository gloame-ai/cak-audio).
"""

import json
import pathlib
import sys

from cak_jax.effect import Effect, save_effect
from cak_jax.spectral import Normalization

GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"


def published_effect() -> Effect:
    """Return the published effect."""
    text = (GOLDEN / "published_model.json").read_text("utf-8")
    model = json.loads(text)["effect"]
    return Effect(
        name="published",
        kernel=tuple(tuple(row) for row in model["kernel"]),
        bias=model["bias"],
        scale=model["scale"],
        threshold=model["threshold"],
        temperature=model["temperature"],
        normalization=Normalization(**model["normalization"]),
        provenance={"source": "arXiv 2508.02643, gloame-ai/cak-audio, MIT licence"},
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    save_effect(published_effect(), sys.argv[1])
