"""The CAK transform as pure functions: detect, gate, apply.

    y = x + D(x) * c * gate(c) * scale,    gate(c) = sigmoid((c - tau) * temperature)

The one home of the method: training, rendering and evaluation all call these. They
take NumPy and JAX arrays alike, and plain numbers where a scalar is meant; JAX is not
imported. Source: arXiv 2508.02643, section on conditioning-aware kernels. A
spectrogram is `[..., freq, frame]`, frequency 0 first.
"""

from cak_jax.model.arrays import Array, array_module


def detect(
    x: Array, kernel: Array, bias: Array, spacing: tuple[int, int] = (1, 1)
) -> Array:
    """Compute the learned pattern D(x).

    Args:
      x: normalised spectrogram `[..., freq, frame]`.
      kernel: `[3, 3]`; `kernel[i, j]` multiplies `x[f + i - 1, t + j - 1]`
        (cross-correlation, zeros outside).
      bias: scalar.
      spacing: `(v, h)`, bins and frames between the kernel's cells: `kernel[i, j]`
        multiplies `x[f + v (i - 1), t + h (j - 1)]`.

    Returns:
      The pattern, shaped like `x`.

    Raises:
      ValueError: if a shape is not as above.

    >>> import numpy as np
    >>> identity = np.zeros((3, 3))
    >>> identity[1, 1] = 1.0
    >>> detect(np.eye(2), identity, 0.5).tolist()
    [[1.5, 0.5], [0.5, 1.5]]
    """
    if x.ndim < 2 or kernel.shape != (3, 3):
        raise ValueError(
            "detect takes x [..., freq, frame] and kernel [3, 3], got "
            f"{x.shape} and {kernel.shape}"
        )
    rows, columns = x.shape[-2:]
    v, h = spacing
    width = [(0, 0)] * (x.ndim - 2) + [(v, v), (h, h)]
    padded = array_module(x, kernel).pad(x, width)
    # Nine shifted copies, because XLA fuses them into one pass over memory; on CPU a
    # one-channel convolution is several times slower, its derivatives more so.
    pattern = bias
    for i in range(3):
        for j in range(3):
            window = padded[..., i * v : i * v + rows, j * h : j * h + columns]
            pattern = pattern + kernel[i, j] * window
    return pattern


def gate_temperature(
    epoch: Array, initial: Array, final: Array, anneal_epochs: Array
) -> Array:
    """Return the gate's temperature: linear from `initial` to `final`, then constant.

    Args:
      epoch: counted from 0.
      initial, final: temperatures at epoch 0 and from `anneal_epochs` on.
      anneal_epochs: length of the rise; 0 means `final` from the start.

    >>> [float(gate_temperature(epoch, 2.0, 20.0, 5.0)) for epoch in (0, 1, 9)]
    [2.0, 5.6, 20.0]
    """
    xp = array_module(epoch, anneal_epochs)
    length = xp.where(anneal_epochs > 0, anneal_epochs, 1.0)
    progress = xp.where(anneal_epochs > 0, xp.minimum(1.0, epoch / length), 1.0)
    return initial + (final - initial) * progress


def soft_gate(control: Array, threshold: Array, temperature: Array) -> Array:
    """Return `sigmoid((control - threshold) * temperature)`, in (0, 1)."""
    exponent = (control - threshold) * temperature
    xp = array_module(exponent)
    # Only exponents below 0, because exp of large ones overflows and spoils gradients.
    positive = exponent >= 0
    small = xp.exp(xp.where(positive, -exponent, exponent))
    return xp.where(positive, 1.0, small) / (1.0 + small)


def strength(control: Array, threshold: Array, temperature: Array) -> Array:
    """Return `c * gate(c)`, how much of the pattern a control asks for; 0 at 0."""
    return control * soft_gate(control, threshold, temperature)


def apply_pattern(x: Array, pattern: Array, amount: Array) -> Array:
    """Return `x + pattern * amount`.

    Args:
      x, pattern: `[..., freq, frame]`.
      amount: `c * gate(c) * scale`: a scalar, or an array of the rank of `x`.
    """
    return x + pattern * amount


def transform(
    x: Array,
    control: Array,
    *,
    kernel: Array,
    bias: Array,
    scale: Array,
    threshold: Array,
    temperature: Array,
    spacing: tuple[int, int] = (1, 1),
) -> tuple[Array, Array]:
    """Apply the CAK transform.

    Args:
      x: `[..., freq, frame]`, normalised.
      control: `[...]`, one per spectrogram; 0 gives x back exactly.
      kernel, bias, scale: the 11 learned numbers.
      threshold, temperature: of the gate.
      spacing: bins and frames between the kernel's cells, as in `detect`.

    Returns:
      `(y, pattern)`, both shaped like `x`.
    """
    pattern = detect(x, kernel, bias, spacing)
    amount = array_module(control, scale).asarray(
        strength(control, threshold, temperature) * scale
    )
    return apply_pattern(x, pattern, amount[..., None, None]), pattern
