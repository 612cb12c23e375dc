"""Adam on one flat vector: every weight of a network is a view into it.

A dozen weight tensors of a small network cost more in calls than in arithmetic; for one long tensor torch's fused
kernel does the whole algorithm in one pass. (torch's optimisers as objects also import its compiler at their first
step, which takes seconds; its function does not.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.adamw import adamw

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
        self.mean, self.square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.steps = 0
        position = 0
        for parameter in self.learned:
            here = slice(position, position + parameter.numel())
            parameter.data = self.weights[here].view(parameter.shape)
            position = here.stop

    def gradient_of(self, loss: Float[Tensor, ""]) -> Float[Tensor, " weight"]:
        """The gradient of a loss, laid out as the weights; several threads may ask at once."""
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, self.learned)])

    @torch.no_grad()
    def step(self, gradients: Sequence[Float[Tensor, " weight"]]) -> None:
        """One update from the sum of these gradients, whose norm is clipped first; the first of them takes the sum."""
        gradient, config = gradients[0], self.config
        for other in gradients[1:]:
            gradient.add_(other)
        if config.clip_norm:
            gradient.mul_((config.clip_norm / (gradient.norm() + 1e-6)).clamp(max=1.0))
        before = torch.full((), float(self.steps), device=gradient.device)
        self.steps += 1
        adamw(
            [self.weights],
            [gradient],
            [self.mean],
            [self.square],
            [],
            [before],
            fused=True,
            amsgrad=False,
            beta1=BETA_1,
            beta2=BETA_2,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            eps=EPSILON / math.sqrt(1 - BETA_2**self.steps),  # torch adds it after the correction
            maximize=False,
        )
