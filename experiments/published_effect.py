"""Write the published effect (arXiv 2508.02643) as an effect file.

    python experiments/published_effect.py OUT.json

Its numbers come from `tests/golden/published_model.json` (published under the MIT
licence in the repository gloame-ai/cak-audio). `cak_jax/effect_files/published.json`
was written so.
"""

import json
import pathlib
import sys

from cak_jax.effect import Effect, save_effect
from cak_jax.spectral import Normalization

GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"
PROVENANCE = {
    "character": "the paper's own: somewhat brighter and denser",
    "source": "arXiv 2508.02643, repository gloame-ai/cak-audio; trained by its author",
    "licence": "MIT",
    "audit": "absolute",
    "epochs": 100,
}


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
        provenance=PROVENANCE,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    save_effect(published_effect(), sys.argv[1])
