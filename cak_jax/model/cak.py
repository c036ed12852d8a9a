"""The CAK transform as pure functions: detect, gate, apply.

    y = x + D(x) * c * gate(c) * scale,    gate(c) = sigmoid((c - tau) * temperature)

Source: arXiv 2508.02643, section on conditioning-aware kernels. A spectrogram is
`[..., freq, frame]`, frequency 0 first.
"""

import jax
import jax.numpy as jnp


def detect(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    spacing: tuple[int, int] = (1, 1),
) -> jax.Array:
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

    >>> import jax.numpy as jnp
    >>> identity = jnp.zeros((3, 3)).at[1, 1].set(1.0)
    >>> detect(jnp.eye(2), identity, 0.5).tolist()
    [[1.5, 0.5], [0.5, 1.5]]
    """
    if x.ndim < 2 or kernel.shape != (3, 3):
        raise ValueError(
            "detect takes x [..., freq, frame] and kernel [3, 3], got "
            f"{x.shape} and {kernel.shape}"
        )
    rows, columns = x.shape[-2:]
    v, h = spacing
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(v, v), (h, h)])
    # Nine shifted copies fuse into one pass over memory; on CPU a one-channel
    # convolution primitive is several times slower, its derivatives more so.
    pattern = bias
    for i in range(3):
        for j in range(3):
            window = padded[..., i * v : i * v + rows, j * h : j * h + columns]
            pattern = pattern + kernel[i, j] * window
    return pattern


def gate_temperature(
    epoch: jax.Array, initial: jax.Array, final: jax.Array, anneal_epochs: jax.Array
) -> jax.Array:
    """Return the gate's temperature: linear from `initial` to `final`, then constant.

    Args:
      epoch: counted from 0.
      initial, final: temperatures at epoch 0 and from `anneal_epochs` on.
      anneal_epochs: length of the rise; 0 means `final` from the start.
    """
    epoch = jnp.asarray(epoch, jnp.float32)
    length = jnp.asarray(anneal_epochs, jnp.float32)
    progress = jnp.where(
        length > 0, jnp.minimum(1.0, epoch / jnp.where(length > 0, length, 1.0)), 1.0
    )
    return initial + (final - initial) * progress


def soft_gate(
    control: jax.Array, threshold: jax.Array, temperature: jax.Array
) -> jax.Array:
    """Return `sigmoid((control - threshold) * temperature)`, in (0, 1)."""
    return jax.nn.sigmoid((control - threshold) * temperature)


def strength(
    control: jax.Array, threshold: jax.Array, temperature: jax.Array
) -> jax.Array:
    """Return `c * gate(c)`, how much of the pattern a control asks for; 0 at 0."""
    return control * soft_gate(control, threshold, temperature)


def apply_pattern(x: jax.Array, pattern: jax.Array, amount: jax.Array) -> jax.Array:
    """Return `x + pattern * amount` with one amount per leading index.

    Args:
      x, pattern: `[..., freq, frame]`.
      amount: `[...]`, that is `c * gate(c) * scale`.
    """
    return x + pattern * jnp.asarray(amount)[..., None, None]


def transform(
    x: jax.Array,
    control: jax.Array,
    *,
    kernel: jax.Array,
    bias: jax.Array,
    scale: jax.Array,
    threshold: jax.Array,
    temperature: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Apply the CAK transform.

    Args:
      x: `[..., freq, frame]`, normalised.
      control: `[...]`, one per spectrogram; 0 gives x back exactly.
      kernel, bias, scale: the 11 learned numbers.
      threshold, temperature: of the gate.

    Returns:
      `(y, pattern)`, both shaped like `x`.
    """
    pattern = detect(x, kernel, bias)
    amount = strength(control, threshold, temperature) * scale
    return apply_pattern(x, pattern, amount), pattern
