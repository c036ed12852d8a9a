"""What a kernel is by its numbers alone: sums along its lines, gain on ripples."""

import numpy as np
import pytest

from cak_jax.evaluation.kernel_profile import directional_sums, modulation_response

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
