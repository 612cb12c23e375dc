"""Adam on one flat vector: every weight and gradient of a network is a view into it.

A dozen weight tensors of a small network cost more in calls than in arithmetic; one long tensor costs one call per
line of the algorithm. (torch's own optimisers also import its compiler at their first step, which takes seconds.)
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Kingma and Ba (2015), section 2; the size of epsilon is Keras's


class FlatAdam:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).

    In the order that ends section 2 of Kingma and Ba (2015), as Keras has it: epsilon is added to the root before the
    correction of its bias, in torch after it. The first steps of rarely moved weights are smaller for it.
    """

    def __init__(self, network: nn.Module, config: Config) -> None:
        self.config = config
        self.learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.weights: Float[Tensor, " weight"] = torch.cat(
            [parameter.detach().flatten() for parameter in self.learned]
        )
        self.gradient = torch.zeros_like(self.weights)
        self.mean, self.square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.steps = 0
        position = 0
        for parameter in self.learned:
            here = slice(position, position + parameter.numel())
            parameter.data = self.weights[here].view(parameter.shape)
            parameter.grad = self.gradient[here].view(parameter.shape)
            position = here.stop

    def gradient_of(self, loss: Float[Tensor, ""]) -> Float[Tensor, " weight"]:
        """The gradient of a loss, laid out as `gradient`, which is left alone: several threads may ask at once."""
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, self.learned)])

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
        size = config.learning_rate * math.sqrt(1 - BETA_2**self.steps) / (1 - BETA_1**self.steps)
        self.weights.addcdiv_(self.mean, self.square.sqrt().add_(EPSILON), value=-size)
        gradient.zero_()
