"""The published training iteration in plain PyTorch, for comparison.

Written from the paper (arXiv 2508.02643) and what its published code does, in its
order: real, fake and interpolated clips pass the critic one after the other; every
parameter of the critic gets its gradient also in the generator's step. PyTorch is no
dependency of the package: `pip install torch`.
"""

import numpy as np
import torch
from torch import nn

CRITIC_STEPS = 5
WEIGHT_PENALTY = 10.0
WEIGHT_COMPLIANCE = 2.0
WEIGHT_RECONSTRUCTION = 5.0
WEIGHT_PATTERN = 0.01
THRESHOLD = 0.3
ADAM = {"lr": 1e-4, "betas": (0.0, 0.9), "eps": 1e-8}
# Places in `Game.realism` of what the golden vectors name.
LAYERS = {"conv1": 0, "conv2": 2, "conv3": 5, "dense": 10}


class Game(nn.Module):
    """Generator and critic around one detector."""

    def __init__(self):
        super().__init__()
        self.detector = nn.Conv2d(1, 1, 3, padding=1)
        nn.init.xavier_normal_(self.detector.weight, gain=0.1)
        nn.init.zeros_(self.detector.bias)
        self.scale = nn.Parameter(torch.ones(1))
        self.realism = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1),
            nn.InstanceNorm2d(64),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.InstanceNorm2d(128),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, 1),
        )
        shared = list(self.detector.parameters())
        self.generator_adam = torch.optim.Adam([*shared, self.scale], **ADAM)
        self.critic_adam = torch.optim.Adam(
            [*shared, *self.realism.parameters()], **ADAM
        )

    def generate(self, x, control, temperature):
        """Map x `[batch, 1, freq, frame]` to `(y, pattern)`."""
        pattern = self.detector(x)
        gate = torch.sigmoid((control - THRESHOLD) * temperature)
        return x + pattern * (control * gate)[:, None, None, None] * self.scale, pattern

    def violation(self, y, control):
        """Return `|mean D(y) - control|`, `[batch]`."""
        return (self.detector(y).mean(dim=(1, 2, 3)) - control).abs()

    def critic_loss(self, x_in, x_target, control, alpha, temperature):
        """Return the critic's loss and its terms."""
        with torch.no_grad():
            fake, _ = self.generate(x_in, control, temperature)
        wasserstein = self.realism(x_target).mean() - self.realism(fake).mean()
        mix = alpha[:, None, None, None]
        between = (mix * x_target + (1 - mix) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(
            self.realism(between).sum(), between, create_graph=True
        )
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        broken = self.violation(fake, control).mean()
        loss = -wasserstein + WEIGHT_PENALTY * penalty + WEIGHT_COMPLIANCE * broken
        return loss, (wasserstein, penalty, broken)

    def generator_loss(self, x_in, x_target, control, temperature):
        """Return the generator's loss and its terms."""
        fake, pattern = self.generate(x_in, control, temperature)
        adversarial = -self.realism(fake).mean()
        broken = self.violation(fake, control).mean()
        distance = (fake - x_target).abs().mean()
        alive = -WEIGHT_PATTERN * torch.log(pattern.abs().mean() + 1e-8)
        loss = (
            adversarial
            + WEIGHT_COMPLIANCE * broken
            + WEIGHT_RECONSTRUCTION * distance
            + alive
        )
        return loss, (adversarial, broken, distance, alive)

    def iteration(self, x_in, x_target, control, alpha, temperature):
        """Make five critic updates and one of the generator; alpha `[5, batch]`."""
        for draws in alpha:
            self.zero_grad()
            loss, _ = self.critic_loss(x_in, x_target, control, draws, temperature)
            loss.backward()
            self.critic_adam.step()
        self.zero_grad()
        loss, _ = self.generator_loss(x_in, x_target, control, temperature)
        loss.backward()
        self.generator_adam.step()
        return float(loss.detach())

    def load(self, arrays, prefix):
        """Take the weights of a golden file."""
        with torch.no_grad():
            for name, index in LAYERS.items():
                layer = self.realism[index]
                layer.weight.copy_(torch.from_numpy(arrays[f"{prefix}{name}_w"]))
                layer.bias.copy_(torch.from_numpy(arrays[f"{prefix}{name}_b"]))
            kernel = torch.from_numpy(arrays[prefix + "kernel"])
            self.detector.weight.copy_(kernel.reshape(1, 1, 3, 3))
            bias = torch.from_numpy(np.atleast_1d(arrays[prefix + "bias"]))
            self.detector.bias.copy_(bias)
            scale = torch.from_numpy(np.atleast_1d(arrays[prefix + "scale"]))
            self.scale.copy_(scale)
