"""Convert the published model (repository gloame-ai/cak-audio) to an effect document.

The JSON has the form of `tests/golden/published_model.json`: "effect" holds the learned
numbers, the gate's two numbers and the constants. A training history may stand beside
it.
"""

from typing import Any

from cak_jax.effect.schema import FORMAT, VERSION, EffectError, check_document

FIELDS = (
    *("kernel", "bias", "scale", "threshold", "temperature"),
    *("spectrogram", "normalization"),
)


def is_model(value: Any) -> bool:
    """Say whether parsed JSON is a published model rather than an effect document."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("effect"), dict)
        and "format" not in value
    )


def model_document(value: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    """Return the effect document of a published model.

    Args:
      value: a published model, `is_model` is true for it.
      name: of the effect, because a model has none.
      source: the name that messages give the file.

    Raises:
      EffectError: one line that names the field that is missing or wrong.
    """
    model = value["effect"]
    for field in FIELDS:
        if field not in model:
            raise EffectError(f"{source}: effect.{field} is missing")
    document = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "kernel": model["kernel"],
        "bias": model["bias"],
        "scale": model["scale"],
        "gate": {field: model[field] for field in ("threshold", "temperature")},
        "spectrogram": model["spectrogram"],
        "normalization": model["normalization"],
        "provenance": {"source": "arXiv 2508.02643, a model of gloame-ai/cak-audio"},
    }
    check_document(document, source)
    return document
