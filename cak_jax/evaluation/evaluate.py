"""The evaluation of an effect: audit, null, knob, change and kernel, as one document.

`evaluate` is what every training run can afford; `evaluate_in_full` renders each clip
at many controls and asks an independent auditor as well.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cak_jax.effect.effect import Effect
from cak_jax.evaluation import (
    audit as measure,
    change,
    independent_auditor,
    kernel_profile,
    knob_response,
)
from cak_jax.evaluation.agreement import CONTROLS, fit_with_controls
from cak_jax.model.audits.table import AUDITS


def evaluate(
    effect: Effect,
    rows: measure.Rows,
    count: int,
    measured: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure the audit, the null and the change on held-out clips.

    Args:
      effect: what to evaluate.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      count: number of clips, at least 1.
      measured: `measure_clips` of the same, if it is there already.

    Returns:
      The document of a run's `evaluation.json`; numbers finite or None. "null_db" is
      None when the residual at control 0 is nothing at all.
    """
    measured = measured or measure.measure_clips(effect, rows, count)
    document: dict[str, Any] = {"audit": {}, "clips": count}
    for audit in AUDITS:
        document["audit"][audit] = {
            name: fit_with_controls(
                CONTROLS,
                measure.audit_curve(
                    effect,
                    measured,
                    knob_response.controls_of(effect, name, CONTROLS),
                    audit,
                ),
            )
            for name in knob_response.KNOBS
        }
        if AUDITS[audit].INAUDIBLE:
            quiet = float(1.0 - measured["audible"][audit].mean())
            document["audit"][audit]["quiet_share"] = quiet
    document |= measure.null(effect, rows, count)
    document["knob"] = {"gate": knob_response.gate_shape(effect)}
    document["change"] = {
        "control": list(measure.CHANGE_CONTROLS),
        "spectral_distance_db": measured["distance_db"].mean(axis=0).tolist(),
        "level_change_db": measured["level_db"].mean(axis=0).tolist(),
        "monotonic_share": float(
            (np.diff(measured["distance_db"], axis=1) > 0).all(axis=1).mean()
        ),
    }
    document["kernel"] = kernel_profile.profile(effect)
    return document


def evaluate_in_full(
    effect: Effect,
    rows: measure.Rows,
    groups: Sequence[str],
    progress: knob_response.Progress | None = None,
) -> dict[str, Any]:
    """Measure all there is: about two seconds per clip of 15 s on two cores.

    Args:
      effect: what to evaluate.
      rows: gives clip i as `[samples]` float32 at the effect's sample rate.
      groups: per clip the file it comes from; the auditor is never judged on a file
        that it was fitted on.
      progress: called as `progress(done, total, what)`.

    Returns:
      The document of `evaluate`, with "auditor", and with "raw" and "calibrated" in
      "knob" and "change", measured on rendered audio.
    """
    count = len(groups)
    turned = knob_response.turn(effect, rows, count, progress)
    changed = change.measure_change(effect, rows, count, progress)
    document = evaluate(effect, rows, count)
    for name, found in turned.items():
        document["knob"][name] = knob_response.describe(found["matched_db"]) | {
            "unmatched": knob_response.describe(found["unmatched_db"])
        }
    document["change"] |= changed
    document["auditor"] = {
        name: independent_auditor.judge(found["features"], CONTROLS, groups)
        for name, found in turned.items()
    } | {"files": len(set(groups))}
    document["kernel"]["gain_share_of_pattern"] = kernel_profile.gain_share_of_pattern(
        effect, rows, count
    )
    return document
