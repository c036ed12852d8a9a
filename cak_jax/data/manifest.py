"""What `corpus.json` says: which sounds were used, which were not, and why.

Only names and numbers, no paths of the machine; always serialisable as JSON.
"""

from collections.abc import Mapping, Sequence

from cak_jax.data.scan import Listing, Source


def describe(corpus, seconds: float, share: float, labels: str) -> dict:
    """Return the part that every corpus has.

    Args:
      corpus: a `corpus.Corpus` but for its manifest.
      seconds: length of a clip.
      share: of the files that was to be held out.
      labels: where the labels come from.
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
    records: Sequence[dict],
    corpus,
    sources: Mapping[str, Source],
    notes: Mapping[str, str],
) -> dict:
    """Return the files that are used, each with its clips, in order of the names."""
    files: dict[str, dict] = {}
    for index, record in enumerate(records):
        name = record["file"]
        if name not in files:
            files[name] = {"file": name, **_header(sources.get(name)), "clips": []}
            said = [sources[name].note] if name in sources else []
            said = list(filter(None, [*said, notes.get(name)]))
            if said:
                files[name]["note"] = "; ".join(said)
        clip = {
            "start": round(record["start"], 6),
            "label": float(corpus.labels[index]),
            "held_out": bool(corpus.held_out[index]),
        }
        files[name]["clips"].append(clip)
    return {"files": [files[name] for name in sorted(files)]}


def describe_listing(listing: Listing) -> dict:
    """Return what was left out, each with its reason, and what was only counted."""
    left_out = [{"file": n, "reason": reason} for n, reason in sorted(listing.left_out)]
    return {"left_out": left_out, "ignored": dict(sorted(listing.ignored.items()))}


def _header(source: Source | None) -> dict:
    if source is None:
        return {}
    info = source.info
    return {
        "sha256": source.sha256,
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "format": f"{info.format}/{info.subtype}",
    }


def _held_out_by(corpus, share: float) -> str:
    if corpus.held_out.any():
        return "file"
    why = "as asked" if share <= 0 else "too few usable files"
    return f"nothing held out ({why}): evaluation uses the training clips"
