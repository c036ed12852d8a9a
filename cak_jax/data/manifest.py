"""The content of `corpus.json`: the sounds that were used, and those that were not.

It holds names and numbers, but no paths of the machine.
"""

from collections.abc import Mapping
from typing import Any

from cak_jax.data.clip_store import Store
from cak_jax.data.scan import Source
from cak_jax.data.settings import CorpusSettings


def describe(
    corpus: Any,
    labels: str,
    store: Store,
    sources: Mapping[str, Source],
    settings: CorpusSettings,
) -> dict[str, Any]:
    """Return the part of the manifest that every corpus has.

    Args:
      corpus: a `Corpus` that is complete except for its manifest.
      labels: one line on where the labels come from.
      store, settings: of the corpus.
      sources: the files by name; clips made in memory have none.
    """
    held_out_by = "file"
    if corpus.held_out.any() and len({c["file"] for c in store.content["clips"]}) == 1:
        held_out_by = "stretch: the end of the only file"
    if not corpus.held_out.any():
        why = "as asked" if settings.held_out <= 0 else "too few clips"
        held_out_by = f"nothing held out ({why}): evaluation uses the training clips"
    return {
        "clips": len(corpus.names),
        "held_out_clips": int(corpus.held_out.sum()),
        "held_out_by": held_out_by,
        "seconds": settings.seconds,
        "labels": labels,
        "low": corpus.low,
        "high": corpus.high,
        "sha256": corpus.sha256,
        "files": _describe_files(corpus, store, sources),
    }


def _describe_files(
    corpus: Any, store: Store, sources: Mapping[str, Source]
) -> list[dict[str, Any]]:
    """Return the files that are used, each with its clips, in order of the names."""
    files: dict[str, dict[str, Any]] = {}
    for index, record in enumerate(store.content["clips"]):
        name = record["file"]
        if name not in files:
            source, notes = sources.get(name), store.content["notes"].get(name, [])
            files[name] = {"file": name}
            if source is not None:
                notes = [*source.info.notes, *notes]
                files[name] |= {
                    "sha256": source.sha256,
                    "sample_rate": source.info.sample_rate,
                    "channels": source.info.channels,
                    "format": f"{source.info.format}/{source.info.subtype}",
                }
            files[name]["clips"] = []
            if notes:
                files[name]["note"] = "; ".join(dict.fromkeys(notes))
        clip = {
            "start": round(record["start"], 6),
            "label": float(corpus.labels[index]),
            "held_out": bool(corpus.held_out[index]),
        }
        files[name]["clips"].append(clip)
    return [files[name] for name in sorted(files)]
