"""The evaluation of an effect: audit, null, knob, change and kernel, as one document.

`evaluate` is what every training run can afford; `evaluate_in_full` renders each clip
at many controls and asks an independent auditor as well.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cak_jax.data.clips import Clips
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect
from cak_jax.effect.quality import measurable
from cak_jax.evaluation import (
    audit as audit_lib,
    change,
    heard,
    independent_auditor,
    kernel_profile,
    knob_response,
)
from cak_jax.evaluation.agreement import CONTROLS, fit, per_clip, shuffled
from cak_jax.model.audits.table import AUDITS


def evaluate(
    effect: Effect,
    clips: Clips,
    measured: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the audit, the null and the change on held-out clips.

    Args:
      effect: what to evaluate.
      clips: at least one, at the effect's sample rate.
      measured: `measure_clips` of the same, if it is there already.
      progress: called as `progress(done, total, stage)` by what is heard.

    Returns:
      The document of a run's `evaluation.json`; numbers finite or None. "null_db" is
      None when the residual at control 0 is nothing at all. "heard" is of an effect
      with a quality that this version can measure.
    """
    document = _evaluate_game(effect, clips, measured)
    if measurable(effect.quality):
        document["heard"] = heard.measure_heard(effect, clips, progress)
    return document


def _evaluate_game(
    effect: Effect, clips: Clips, measured: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Measure as `evaluate` does, without what is heard."""
    measured = measured or audit_lib.measure_clips(effect, clips)
    document: dict[str, Any] = {"audit": {}, "clips": len(clips)}
    for audit in measured["audit"]:
        document["audit"][audit] = {}
        for knob in knob_response.KNOBS:
            controls = knob_response.controls_of(effect, knob, CONTROLS)
            curve = audit_lib.audit_curve(effect, measured, controls, audit)
            document["audit"][audit][knob] = fit(CONTROLS, curve) | {
                "per_clip": per_clip(CONTROLS, curve),
                "shuffled": shuffled(CONTROLS, curve),
            }
        if AUDITS[audit].INAUDIBLE:
            quiet = float(1.0 - measured["audible"][audit].mean())
            document["audit"][audit]["quiet_share"] = quiet
    document |= audit_lib.null(effect, clips)
    document["knob"] = {"gate": knob_response.gate_shape(effect)}
    document["change"] = {
        "control": list(audit_lib.CHANGE_CONTROLS),
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
    clips: Clips,
    groups: Sequence[str],
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Take every measure: about two seconds per clip of 15 s on two cores.

    Args:
      effect: what to evaluate.
      clips: at the effect's sample rate.
      groups: per clip the file it comes from; the auditor is never judged on a file
        that it was fitted on.
      progress: called as `progress(done, total, stage)`.

    Returns:
      The document of `evaluate`, with "heard" for every effect, with "auditor", and
      with "raw" and "calibrated" in "knob" and "change", measured on rendered audio.
    """
    turned = knob_response.turn(effect, clips, progress)
    changed = change.measure_change(effect, clips, progress)
    document = _evaluate_game(effect, clips)
    document["heard"] = heard.measure_heard(effect, clips, progress)
    document["change"] |= changed
    document["auditor"] = {"files": len(set(groups))}
    for knob, response in turned.items():
        document["knob"][knob] = knob_response.describe(response["matched_db"]) | {
            "unmatched": knob_response.describe(response["unmatched_db"])
        }
        document["auditor"][knob] = independent_auditor.judge(
            response["features"], CONTROLS, groups
        )
    document["kernel"]["gain_share_of_pattern"] = kernel_profile.gain_share_of_pattern(
        effect, clips
    )
    return document
