"""What stands between the encoder and the next day: dense layers, and the parameters of a distribution."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gatecast.config import Config
from gatecast.nn.encoders import initialise_linear
from gatecast.nn.next_day import LEAST_DF, HeldOutDays, MixtureDay, PointDay

_MIXED = 3  # normals of the mixture: a calm day, a usual one, a wild one
_MIXED_LOG_SCALES = (-0.7, 0.0, 0.7)  # where their scales begin; alike, they would learn alike
_OUTPUTS = {"point": 1, "normal": 2, "student_t": 3, "mixture": 3 * _MIXED}


class Head(nn.Module):
    """Dense layers with ReLU, then the parameters of the next day per step, in units of its target's scale."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        widths = [config.hidden, *config.dense, _OUTPUTS[config.head]]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(
        self, hidden: Float[Tensor, "time batch hidden"], held_out: HeldOutDays | None = None
    ) -> PointDay | MixtureDay:
        """The day after each step; `held_out` are the days that its samples resample."""
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        parameters = self.layers[-1](hidden)
        if self.config.head == "point":
            return PointDay(value=parameters.squeeze(-1), config=self.config, held_out=held_out)
        return mixture(self.config.head, parameters, held_out)

    def initialise(self, generator: torch.Generator) -> None:
        """Glorot-uniform weights, zero biases."""
        initialise_linear(self, nn.init.xavier_uniform_, generator)


def mixture(head: str, parameters: Float[Tensor, "*rows parameter"], held_out: HeldOutDays | None = None) -> MixtureDay:
    """The distribution that a head's parameters mean; a variance always exists."""
    if head == "mixture":
        location, log_scale, logit = parameters.reshape(*parameters.shape[:-1], 3, _MIXED).unbind(-2)
        log_scale = log_scale + torch.tensor(_MIXED_LOG_SCALES, device=log_scale.device)
    else:
        location, log_scale = parameters[..., :1], parameters[..., 1:2]
        logit = torch.zeros_like(location)
    df = torch.full_like(location, math.inf)
    if head == "student_t":
        df = LEAST_DF + functional.softplus(parameters[..., 2:])
    return MixtureDay(
        log_weight=torch.log_softmax(logit, dim=-1),
        location=location,
        scale=log_scale.clamp(-5, 5).exp(),
        df=df,
        held_out=held_out,
    )
