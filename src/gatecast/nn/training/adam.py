"""Adam on one flat vector, the only optimiser: every weight of a network is a view into it.

A dozen weight tensors of a small network cost more in calls than in arithmetic; for one long tensor torch's fused
kernel does the whole algorithm in one pass. (torch's optimisers as objects also import its compiler at their first
step, which takes seconds; its function does not.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.adamw import adamw

from gatecast.config import Config

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Kingma and Ba (2015), section 2; the size of epsilon is Keras's


@dataclass(frozen=True, kw_only=True)
class AdamSettings:
    """How the weights move. The constant defaults are Adam's."""

    learning_rate: float  # of the cycle: its peak
    cycle: int = 0  # updates of one cycle of the learning rate (`one_cycle`); 0: the rate is constant
    weight_decay: float = 0.0  # decoupled (Loshchilov and Hutter 2019), times the learning rate
    decay_vectors: bool = True  # false: only matrices decay, no bias
    clip_norm: float = 0.0  # gradient norm ceiling; 0 for none
    average: float = 0.0  # decay of the running mean of weights, which is then what is kept; 0 for none

    @classmethod
    def of(cls, config: Config) -> AdamSettings:
        """The settings of a network trained on the user's prices."""
        return cls(learning_rate=config.learning_rate, weight_decay=config.weight_decay, clip_norm=config.clip_norm)


def one_cycle(update: int, updates: int) -> tuple[float, float]:
    """The share of the peak learning rate and Adam's first beta at an update of one cycle (Smith and Topin 2018).

    The rate rises along a cosine from a tenth to the peak over the first tenth of all updates and falls to a
    five-hundredth; the beta goes the other way, from 0.95 to 0.85 and back. torch's `OneCycleLR` has the same.

    >>> one_cycle(59, 600), one_cycle(599, 600)
    ((1.0, 0.85), (0.002, 0.95))
    """
    rise = 0.1 * updates - 1
    rising = update < rise
    share = update / rise if rising else (updates - 1 - update) / (updates - 1 - rise)
    high, floor = (1 - math.cos(math.pi * share)) / 2, 0.1 if rising else 0.002
    return floor + (1 - floor) * high, 0.95 - 0.1 * high


class FlatAdam:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).

    In the order that ends section 2 of Kingma and Ba (2015), as Keras has it: epsilon is added to the root before the
    correction of its bias, in torch after it. The first steps of rarely moved weights are smaller for it.
    """

    def __init__(self, network: nn.Module, settings: AdamSettings) -> None:
        self.settings = settings
        self.learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.weights: Float[Tensor, " weight"] = nn.utils.parameters_to_vector(self.learned).detach()
        self.mean, self.square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.average = self.weights.clone() if settings.average else None
        self.decay: Float[Tensor, " weight"] | None = None
        if settings.weight_decay:
            decays = (settings.weight_decay * (settings.decay_vectors or part.dim() > 1) for part in self.learned)
            self.decay = nn.utils.parameters_to_vector(map(torch.full_like, self.learned, decays))
        self.steps = 0
        nn.utils.vector_to_parameters(self.weights, self.learned)

    def gradient_of(self, loss: Float[Tensor, ""]) -> Float[Tensor, " weight"]:
        """The gradient of a loss, laid out as the weights; several threads may ask at once."""
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, self.learned)])

    @torch.no_grad()
    def step(self, gradients: Sequence[Float[Tensor, " weight"]]) -> None:
        """One update from the sum of these gradients, whose norm is clipped first; the first of them takes the sum."""
        gradient, settings = gradients[0], self.settings
        for other in gradients[1:]:
            gradient.add_(other)
        if settings.clip_norm:
            gradient.mul_((settings.clip_norm / (gradient.norm() + 1e-6)).clamp(max=1.0))
        share, beta_1 = one_cycle(self.steps, settings.cycle) if settings.cycle else (1.0, BETA_1)
        rate = share * settings.learning_rate
        if self.decay is not None:
            self.weights.mul_(1 - rate * self.decay)
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
            beta1=beta_1,
            beta2=BETA_2,
            lr=rate,
            weight_decay=0.0,
            eps=EPSILON / math.sqrt(1 - BETA_2**self.steps),  # torch adds it after the correction
            maximize=False,
        )
        if self.average is not None:
            decay = min(settings.average, self.steps / (self.steps + 9))  # a short past counts less
            self.average.lerp_(self.weights, 1 - decay)

    def kept(self) -> Float[Tensor, " weight"]:
        """A copy of the weights to keep: their running mean where there is one."""
        return (self.weights if self.average is None else self.average).clone()

    def state(self) -> dict[str, Tensor]:
        """All that a step changes but for the count of steps; views, not copies."""
        state = {"weights": self.weights, "mean": self.mean, "square": self.square}
        return state if self.average is None else state | {"average": self.average}

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from the `state` after so many steps."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.steps = steps
