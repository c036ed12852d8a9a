"""An evaluation as text: tables for a terminal, and one sentence at the end."""

from typing import Any

from cak_jax.evaluation import convergence, heard
from cak_jax.evaluation.convergence import FAIR, GOOD
from cak_jax.model.audits.table import AUDITS, DEFAULT_AUDIT
from cak_jax.runtime.text import align, counted

# `evaluation.json`, or a part of it.
Document = dict[str, Any]
ROWS = {
    "level_change_db": "level (RMS), dB",
    "spectral_distance_db": "distance, before matching, dB",
    "spectral_distance_matched_db": "distance, loudness matched, dB",
    "multi_resolution_distance": "multi-resolution STFT distance",
    "crest_factor_change_db": "crest factor, dB",
    "spectral_centroid_change_octaves": "spectral centroid, octaves",
    "spectral_flatness_change_db": "spectral flatness, dB",
    "explained_by_gain": "share that a gain explains",
    "explained_by_equaliser": "share that an equaliser explains",
}
# R2 of the auditor from which on the knob can be heard. It is lower than `GOOD`,
# because the auditor reads the sound, and the audit reads the number of the training.
AUDITOR_GOOD = 0.8


def lines(document: Document) -> list[str]:
    """Return the lines of the report on a document of `evaluate_in_full`."""
    effect, corpus = document["effect"], document["corpus"]
    clips, files = counted(document["clips"], "clip"), counted(corpus["files"], "file")
    head = [
        f"{effect['name']}  (effect {effect['sha256'][:12]})",
        f"{clips} of {files} in {corpus['folder']}: {corpus['chosen']}",
    ]
    sections = [
        head,
        heard_section(document),
        audit_section(document),
        auditor_section(document["auditor"]),
        knob_section(document["knob"]),
        *(change_section(document["change"], knob) for knob in ("raw", "calibrated")),
        band_section(document["change"]),
        kernel_section(document["kernel"]),
        closing_section(document),
    ]
    return [line for section in sections for line in ("", *section)][1:]


def table(header: list[Any], rows: list[list[Any]], digits: int = 2) -> list[str]:
    """Return the lines of a table: names flush left, numbers flush right.

    Args:
      header: of the columns; the first column holds names.
      rows: of names, and of numbers or None, which is shown as "-".
      digits: decimals of the numbers.
    """
    cells = [[_cell(value, digits) for value in row] for row in (header, *rows)]
    lines = align(cells, right=range(1, len(header)))
    return [f"  {line}" for line in lines]


def _cell(value: str | float | None, digits: int = 2) -> str:
    if value is None:
        return "-"
    # Adding 0 turns -0.0 into 0.0.
    return value if isinstance(value, str) else f"{round(value, digits) + 0:.{digits}f}"


def judged_by(document: Document) -> str:
    """Return the audit of the effect's training.

    For an effect without a training that is known it is the audit that hears, if the
    effect has a quality, else ours.
    """
    hearing = [name for name in document["audit"] if AUDITS[name].HEARS]
    candidates: list[str] = [document["effect"]["audit"], *hearing, DEFAULT_AUDIT]
    return next(name for name in candidates if name in document["audit"])


def heard_section(document: Document) -> list[str]:
    """Return what is heard: the quality by amount, then what else changes."""
    found, quality = document["heard"], convergence.heard_quality(document)
    lines = ["Heard: rendered sound, measured before loudness is matched"]
    if not heard.is_finite(found):
        return [*lines, f"  {heard.INFINITE}"]
    if quality is not None:
        rows = [
            [f"frames of {size}, share of the range", *fitted["measured"]]
            for size, fitted in quality["windows"].items()
        ]
        change = f"{quality['name']}, {quality['unit']}"
        rows.append([change, *heard.quality_changes(quality)])
        lines += table(["amount", *(f"{a:g}" for a in found["amount"])], rows)
        fits = [
            [f"frames of {size}", fitted["slope"], fitted["r2"], fitted["mae"]]
            for size, fitted in quality["windows"].items()
        ]
        lines += table(["", "slope", "R2", "mean error"], fits)
        lines.append(f"  {quality['rising_share']:.0%} of the knob's steps give more")
    if along := heard.companion_rows(found):
        rows = [[f"{name}, {unit}", asked, got] for name, asked, got, unit in along]
        lines += table(["at amount 1, with it", "asked", "heard"], rows)
    sides = [[f"{name}, {unit}", value] for name, value, unit in heard.side_rows(found)]
    return [*lines, *table(["at amount 1", "change"], sides)]


def audit_section(document: Document) -> list[str]:
    """Return the audit by the detector, beside estimates that ignore the sound."""
    judged, rows = judged_by(document), []
    for audit in sorted(document["audit"], key=lambda name: name != judged):
        for knob in ("raw", "calibrated"):
            fitted = document["audit"][audit][knob]
            worst = fitted["per_clip"]["r2"]["min"]
            rows.append([f"{audit}, {knob}", *_fit(fitted), worst])
    shuffled = document["audit"][judged]["calibrated"]["shuffled"]
    rows += [["shuffled requests", *_fit(shuffled), None], *_trivial(fitted)]
    return [
        "Audit: requested 0 to 1 against what the audit measures",
        *table(["", "slope", "R2", "mean error", "R2 of the worst clip"], rows, 3),
    ]


def _fit(fitted: Document) -> list[Any]:
    return [fitted[name] for name in ("slope", "r2", "mae")]


def _trivial(fitted: Document) -> list[list[Any]]:
    return [
        ["always the mean", 0.0, fitted["r2_if_mean"], fitted["mae_if_mean"], None],
        ["always 0", 0.0, fitted["r2_if_zero"], fitted["mae_if_zero"], None],
    ]


def auditor_section(auditor: Document) -> list[str]:
    """Return what an auditor other than the detector reads from the sound."""
    title = [
        "Auditor: requested 0 to 1 against what a ridge regression reads from features",
        "of the dry and the loudness-matched sound, on files that it was not fitted on",
    ]
    if auditor["raw"] is None:
        return [*title, "  needs clips of two files or more"]
    rows = [[knob, *_fit(auditor[knob])] for knob in ("raw", "calibrated")]
    rows.append(["shuffled requests", *_fit(auditor["calibrated"]["shuffled"])])
    rows.append(_trivial(auditor["raw"])[0][:-1])
    header = ["", "slope", "R2", "mean error"]
    return [*title, *table(header, rows, 3)]


def knob_section(knob: Document) -> list[str]:
    """Return how the distance to dry grows as the knob turns."""
    names = ("monotonic_share", "spearman_rho", "line_r2", "largest_step", "dead_zone")
    described = {}
    for name in ("raw", "calibrated"):
        described[f"{name}, loudness matched"] = knob[name]
        described[f"{name}, before matching"] = knob[name]["unmatched"]
    rows = [[label, *map(part.get, names)] for label, part in described.items()]
    header = ["", "clips that always grow", "Spearman", "line R2", "largest step"]
    return [
        "Knob: the distance to dry as the knob turns (1, 1, 1, 1, 0: it grows evenly)",
        *table([*header, "dead zone"], rows),
    ]


def change_section(change: Document, knob: str) -> list[str]:
    """Return the change of the sound at each control or amount."""
    word = "control" if knob == "raw" else "amount"
    header = ["", *(f"{turn:g}" for turn in change[knob][word])]
    rows = [[label, *change[knob][name]] for name, label in ROWS.items()]
    return [f"Change at {word} (means over clips)", *table(header, rows)]


def band_section(change: Document) -> list[str]:
    """Return the change of each band at a full turn."""
    header = ["Hz", *(f"{low:g}-{high:g}" for low, high in change["bands_hz"])]
    measured = change["calibrated"]
    rows = [
        ["level, dB", *measured["level_by_band_change_db"][-1]],
        ["distance, dB", *measured["spectral_distance_by_band_db"][-1]],
    ]
    return ["By band at amount 1, loudness matched", *table(header, rows)]


def kernel_section(kernel: Document) -> list[str]:
    """Return the eleven numbers in two lines."""
    centre, share = kernel["centre_share"], kernel["gain_share_of_pattern"]
    return [
        f"Kernel: sum {kernel['sum']:+.3f}, times scale {kernel['scale']:.3f} makes "
        f"{kernel['total']:+.3f}; bias {kernel['bias']:+.4f}",
        f"  likeness to a plain gain: kernel {_cell(centre)}, its pattern on these "
        f"clips {_cell(share)} (1: a plain gain in the normalised spectrogram)",
    ]


def closing_section(document: Document) -> list[str]:
    """Return sentences on what is heard, on control 0, on the share of a gain, and on
    the whole."""
    said = heard.sentence(document["heard"], document["corpus"]["held_out"] is True)
    if document["bit_exact_at_0"]:
        at_zero = "At 0 every clip comes back bit for bit."
    elif document["null_db"] is None:
        at_zero = "At 0 every clip comes back equal, though not bit for bit."
    else:
        at_zero = f"At 0 a change of {document['null_db']:.1f} dBFS is left."
    change, knob = document["change"]["calibrated"], document["knob"]["calibrated"]
    share, rises = change["explained_by_gain"][-1], knob["monotonic_share"]
    if share is None:
        return [said, at_zero, "At 1 nothing changes.", sentence(document)]
    return [
        said,
        at_zero,
        f"At amount 1, a plain gain explains {share:.0%} of the change.",
        "With loudness matched, the distance to dry grows at every step on "
        f"{rises:.0%} of the clips.",
        sentence(document),
    ]


def sentence(document: Document) -> str:
    """Say in one sentence whether the knob does what it says.

    An effect with a quality is judged by what is heard. Of others the calibrated knob
    counts, by the audit of the training (without one, by the relative audit) and by the
    auditor.
    """
    audit = judged_by(document)
    if convergence.heard_quality(document) is not None:
        held_out = document["corpus"]["held_out"] is True
        return convergence.sentence(document, audit, held_out or None)
    fitted = document["audit"][audit]["calibrated"]
    auditor = document["auditor"]["calibrated"]
    r2, auditor_r2 = fitted["r2"], auditor["r2"] if auditor else None
    numbers = f"slope {fitted['slope']:.2f} and R2 {r2:.3f} by the {audit} audit"
    if auditor_r2 is not None:
        numbers += f", R2 {auditor_r2:.2f} by the auditor"
    if r2 >= GOOD and (auditor_r2 is None or auditor_r2 >= AUDITOR_GOOD):
        verdict = "The knob does what it says"
    elif r2 >= GOOD and auditor_r2 is not None and auditor_r2 >= FAIR:
        verdict = "The knob does what it says, and the auditor roughly agrees"
    elif r2 >= GOOD:
        verdict = f"Only the {audit} audit can tell how far the knob is turned"
    elif r2 >= FAIR:
        verdict = "The knob goes the right way, but its scale is inexact"
    elif auditor_r2 is not None and auditor_r2 >= AUDITOR_GOOD:
        verdict = "The auditor hears how far the knob is turned, but its scale is wrong"
    else:
        verdict = "The knob does not do what it says"
    return f"{verdict}: {numbers}."
