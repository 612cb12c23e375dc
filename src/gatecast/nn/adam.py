"""Adam on one flat vector: every weight and gradient of a network is a view into it.

A dozen weight tensors of a small network cost more in calls than in arithmetic; one long tensor costs one call per
line of the algorithm. (torch's own optimisers also import its compiler at their first step, which takes seconds.)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Kingma and Ba (2015), section 2; epsilon as Keras has it


class FlatAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

    def __init__(self, network: nn.Module, config: Config) -> None:
        self.config = config
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.weights: Float[Tensor, " weight"] = torch.cat(
            [parameter.detach().flatten() for parameter in learned]
        )
        self.gradient = torch.zeros_like(self.weights)
        self.mean, self.square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.steps = 0
        position = 0
        for parameter in learned:
            here = slice(position, position + parameter.numel())
            parameter.data = self.weights[here].view(parameter.shape)
            parameter.grad = self.gradient[here].view(parameter.shape)
            position = here.stop

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradient gathered since the last, which is then cleared; its norm is clipped first."""
        gradient, config = self.gradient, self.config
        if config.clip_norm:
            gradient.mul_((config.clip_norm / (gradient.norm() + 1e-6)).clamp(max=1.0))
        self.steps += 1
        self.mean.lerp_(gradient, 1 - BETA_1)
        self.square.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        if config.weight_decay:
            self.weights.mul_(1 - config.learning_rate * config.weight_decay)
        size = config.learning_rate / (1 - BETA_1**self.steps)
        root = (self.square / (1 - BETA_2**self.steps)).sqrt_().add_(EPSILON)
        self.weights.addcdiv_(self.mean, root, value=-size)
        gradient.zero_()
