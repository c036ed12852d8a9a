"""Generators measured by applying them: beside an effect's measures, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from cak_jax.effect.effect import Effect
from cak_jax.evaluation import audit as measure, generator_audit
from cak_jax.model import cak, losses, spectral, train_state
from cak_jax.model.audits.request import REQUESTS
from cak_jax.model.train_state import GameSpec

SETTINGS = spectral.SpectrogramSettings(8000, 256, 64)
CONSTANTS = spectral.Normalization(10.0, 0.85, 0.0, 4.0)
CONTROLS = np.linspace(0, 1, 6)
CLIPS = 0.2 * np.random.default_rng(0).normal(size=(4, 4000)).astype(np.float32)
LABELS = np.array([0.1, 0.4, 0.7, 1.0])


def applied(params, generator="cak"):
    return generator_audit.Applied(generator, params, 0.3, 12.0, SETTINGS, CONSTANTS)


def cak_params():
    params = train_state.initial_params(jax.random.key(2), (2, 2, 2))
    return {**params, "scale": jnp.float32(1.7)}


def effect_of(params):
    detector = params["detector"]
    kernel = tuple(tuple(float(v) for v in row) for row in detector["kernel"])
    return Effect(
        name="same", kernel=kernel, bias=float(detector["bias"]),
        scale=float(params["scale"]), threshold=0.3, temperature=12.0,
        spectrogram=SETTINGS, normalization=CONSTANTS, provenance={},
    )  # fmt: skip


def test_cak_applied_is_its_effect_measured():
    params = cak_params()
    found = generator_audit.measure_clips(applied(params), CLIPS, CONTROLS)
    effect = effect_of(params)
    measured = measure.measure_clips(effect, CLIPS)
    for audit in ("absolute", "relative"):
        expected = measure.audit_curve(effect, measured, CONTROLS, audit)
        np.testing.assert_allclose(
            found["audit"][audit], expected, rtol=1e-3, atol=2e-6
        )
    left = generator_audit.residual_at_zero(found)
    assert left == {"mean": 0.0, "db": None}


def spectrogram(clip):
    x = spectral.normalise(
        np.abs(spectral.stft(clip, SETTINGS)), spectral.constant_arrays(CONSTANTS)
    )
    return x[None]


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("audit", generator_audit.SEEN)
def test_held_out_losses_are_the_games(audit, request_name):
    params = cak_params()
    labels = np.array([0.5, 0.2, 0.9, 0.3, 0.6], np.float32)
    clips = 0.2 * np.random.default_rng(1).normal(size=(5, 4000)).astype(np.float32)
    game = GameSpec(audit=audit, request=request_name)
    found = generator_audit.held_out_losses(applied(params), clips, labels, game)
    # By rank: clips 1, 3 | 0, 4 of the four lowest; both pairs, and both low clips
    # with themselves.
    items = [(1, 0, 0.3), (3, 4, 0.3), (1, 1, 0.0), (3, 3, 0.0)]
    violation, distance = [], []
    for low, high, control in items:
        x, target = (spectrogram(clips[i]) for i in (low, high))
        turned = jnp.full(1, control, jnp.float32)
        request = turned
        if request_name == "gated":
            request = turned * special.expit((control - 0.3) * 12.0)
        y, _ = cak.transform(
            x,
            turned,
            **params["detector"],
            scale=params["scale"],
            threshold=0.3,
            temperature=12.0,
        )
        violation.append(losses.violation(params, y, x, request, audit)[0])
        distance.append(losses.reconstruction(y, target)[0])
    assert found["violation"] == pytest.approx(np.mean(violation), rel=1e-4)
    assert found["reconstruction"] == pytest.approx(np.mean(distance), rel=1e-4)


def test_a_network_that_adds_a_constant():
    """All weights 0, the last bias b: y = x + b whatever the control."""
    params = train_state.initial_params(jax.random.key(2), (2, 2, 2), "film")
    film = jax.tree.map(jnp.zeros_like, params["film"])
    shift = 0.05
    film["conv2"]["bias"] = film["conv2"]["bias"] + shift
    identity = {"kernel": jnp.zeros((3, 3)).at[1, 1].set(1.0), "bias": jnp.float32(0)}
    params = {**params, "film": film, "detector": identity}
    found = generator_audit.measure_clips(applied(params, "film"), CLIPS, CONTROLS)
    x = [
        np.asarray(spectral.normalise(np.abs(spectral.stft(clip, SETTINGS)),
                                      spectral.constant_arrays(CONSTANTS)), np.float64)
        for clip in CLIPS
    ]  # fmt: skip
    levels = np.array([spectrogram.mean() for spectrogram in x])[:, None]
    # The relative audit leaves the outer rim out.
    heard = np.array([spectrogram[1:-1, 1:-1].mean() for spectrogram in x])[:, None]
    everywhere = np.ones((4, len(CONTROLS)))
    np.testing.assert_allclose(
        found["audit"]["relative"], shift / heard * everywhere, rtol=1e-4
    )
    np.testing.assert_allclose(
        found["audit"]["absolute"], (levels + shift) * everywhere, rtol=1e-4
    )
    # The inverse of the normalisation, as the design writes it.
    invert = lambda n: (np.expm1(n ** (1 / 0.85) * 4.0) / 10.0) ** 2  # noqa: E731
    added = sum(np.sum((invert(np.clip(s + shift, 0, 1)) - invert(s)) ** 2) for s in x)
    total = sum(np.sum(invert(s) ** 2) for s in x)
    left = generator_audit.residual_at_zero(found)
    assert left["mean"] == pytest.approx(shift, rel=1e-4)
    assert left["db"] == pytest.approx(10 * np.log10(added / total), abs=1e-2)
