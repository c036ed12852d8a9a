"""What a kernel is by its numbers alone: sums along its lines, gain on ripples."""

import numpy as np
import pytest

from cak_jax.effect.effect import Effect
from cak_jax.evaluation.kernel_profile import (
    directional_sums,
    modulation_response,
    profile,
)
from cak_jax.model import cak

KERNEL = np.array([[-0.08, 0.05, 0.21], [0.02, 0.31, -0.12], [0.17, -0.05, 0.09]])


def test_rising_diagonal_follows_a_rising_line():
    # The kernel that sums x[f-1, t-1], x[f, t], x[f+1, t+1].
    sums = directional_sums(np.eye(3))
    assert sums["rising diagonal"] == (3.0, pytest.approx(3**0.5))
    assert sums["falling diagonal"] == (1.0, 1.0)


def test_response_matches_the_filtered_ripple():
    u, v = 0.2, 0.35
    f, t = np.meshgrid(np.arange(40), np.arange(50), indexing="ij")
    ripple = np.exp(2j * np.pi * (u * f + v * t))
    filtered = sum(
        KERNEL[i, j] * ripple[i : i + 38, j : j + 48]
        for i in range(3)
        for j in range(3)
    )
    gain = modulation_response(KERNEL, np.array([u]), np.array([v]))
    np.testing.assert_allclose(np.abs(filtered), gain[0, 0], rtol=1e-12)


@pytest.mark.parametrize("spacing", [(1, 1), (4, 3)])
def test_the_profile_knows_the_spacing(spacing):
    """The kernel with zeros between its cells has the same response."""
    effect = Effect("a", tuple(map(tuple, KERNEL.tolist())), 0.0, 1.0, spacing=spacing)
    v, h = spacing
    f, t = np.meshgrid(np.arange(30), np.arange(30), indexing="ij")
    for row in profile(effect)["response"]:
        u, w = row["cycles_per_bin"], row["cycles_per_frame"]
        ripple = np.exp(2j * np.pi * (u * f + w * t))
        gain = np.abs(cak.detect(ripple, KERNEL, 0.0, spacing)[v:-v, h:-h])
        np.testing.assert_allclose(gain, row["gain"], atol=1e-12)
