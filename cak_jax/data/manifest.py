"""The content of `corpus.json`: the sounds that were used, and those that were not.

It holds names and numbers, but no paths of the machine.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cak_jax.data.scan import Listing, Source


def describe(corpus: Any, seconds: float, share: float, labels: str) -> dict[str, Any]:
    """Return the part of the manifest that every corpus has.

    Args:
      corpus: a `Corpus` that is complete except for its manifest.
      seconds: length of a clip.
      share: of the files that should be held out.
      labels: one line on where the labels come from.
    """
    return {
        "clips": len(corpus.names),
        "held_out_clips": int(corpus.held_out.sum()),
        "held_out_by": _held_out_by(corpus, share),
        "seconds": seconds,
        "labels": labels,
        "low": corpus.low,
        "high": corpus.high,
        "sha256": corpus.sha256,
    }


def describe_files(
    records: Sequence[dict[str, Any]],
    corpus: Any,
    sources: Mapping[str, Source],
    notes: Mapping[str, str],
) -> dict[str, Any]:
    """Return the files that are used, each with its clips, in order of the names.

    Args:
      records: one per clip, as `clip_store.prepare` returns them.
      corpus: the `Corpus` of these clips.
      sources: the files by name.
      notes: what was done to a file, by name.
    """
    files: dict[str, dict[str, Any]] = {}
    for index, record in enumerate(records):
        name = record["file"]
        if name not in files:
            files[name] = {"file": name, **_header(sources.get(name)), "clips": []}
            header_note = sources[name].note if name in sources else ""
            parts = [part for part in (header_note, notes.get(name)) if part]
            if parts:
                files[name]["note"] = "; ".join(parts)
        clip = {
            "start": round(record["start"], 6),
            "label": float(corpus.labels[index]),
            "held_out": bool(corpus.held_out[index]),
        }
        files[name]["clips"].append(clip)
    return {"files": [files[name] for name in sorted(files)]}


def describe_listing(listing: Listing) -> dict[str, Any]:
    """Return the files that were left out, with reasons, and the ignored by suffix."""
    left_out = [{"file": n, "reason": reason} for n, reason in sorted(listing.left_out)]
    return {"left_out": left_out, "ignored": dict(sorted(listing.ignored.items()))}


def _header(source: Source | None) -> dict[str, Any]:
    if source is None:
        return {}
    info = source.info
    return {
        "sha256": source.sha256,
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "format": f"{info.format}/{info.subtype}",
    }


def _held_out_by(corpus: Any, share: float) -> str:
    if corpus.held_out.any():
        return "file"
    why = "as asked" if share <= 0 else "too few usable files"
    return f"nothing held out ({why}): evaluation uses the training clips"
