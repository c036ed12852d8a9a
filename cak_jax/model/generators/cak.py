"""The paper's generator: the CAK transform with its learned detector and scale."""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from cak_jax.model import cak
from cak_jax.model.generators.protocol import EffectNumbers
from cak_jax.model.layers import PUBLISHED_GAIN, Detector, Params

TITLE = "CAK"
PARTS = ("detector", "scale")


class Generator(nn.Module):
    """The CAK transform with its learned detector and scale."""

    kernel_gain: float = PUBLISHED_GAIN

    def setup(self) -> None:
        """Make the detector and the scale."""
        self.detector = Detector(self.kernel_gain)
        self.scale = self.param("scale", nn.initializers.ones, ())

    def __call__(
        self,
        x: jax.Array,
        control: jax.Array,
        threshold: jax.Array,
        temperature: jax.Array,
        spacing: tuple[int, int] = (1, 1),
    ) -> tuple[jax.Array, jax.Array]:
        """Map x `[batch, freq, frame]`, control `[batch]` to `(y, pattern)`."""
        kernel, bias = self.detector()
        return cak.transform(
            x,
            control,
            kernel=kernel,
            bias=bias,
            scale=self.scale,
            threshold=threshold,
            temperature=temperature,
            spacing=spacing,
        )


def draw_detector(key: jax.Array, kernel_gain: float) -> Params:
    """Draw the detector that both players share: `{"detector": ...}`.

    Args:
      key: typed random key.
      kernel_gain: of the shape of the kernel's Xavier-normal draw; 0.1 published.
    """
    return {"detector": _init(key, kernel_gain)["detector"]}


def draw(key: jax.Array) -> Params:
    """Draw the scale: 1."""
    return {"scale": _init(key, PUBLISHED_GAIN)["scale"]}


def _init(key: jax.Array, kernel_gain: float) -> Params:
    x, zero = jnp.zeros((1, 16, 16)), jnp.zeros((1,))
    params: Params = Generator(kernel_gain).init(key, x, zero, 0.3, 20.0)["params"]
    return params


def apply(
    params: Params,
    x: jax.Array,
    control: jax.Array,
    threshold: jax.Array,
    temperature: jax.Array,
    spacing: tuple[int, int] = (1, 1),
) -> tuple[jax.Array, jax.Array]:
    """Apply the transform; see `protocol.Generator.apply`."""
    gate = threshold, temperature
    made = Generator().apply({"params": params}, x, control, *gate, spacing)
    return cast(tuple[jax.Array, jax.Array], made)


def learned_numbers(params: Params) -> dict[str, jax.Array]:
    """Return the scale, the bias and the kernel's sum."""
    detector = params["detector"]
    return {
        "scale": params["scale"],
        "bias": detector["bias"],
        "kernel_sum": jnp.sum(detector["kernel"]),
    }


def effect_numbers(params: Params) -> EffectNumbers:
    """Return the eleven learned numbers."""
    detector = params["detector"]
    return EffectNumbers(detector["kernel"], detector["bias"], params["scale"])
