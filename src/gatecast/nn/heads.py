"""What stands between the encoder and the forecast value: one value, or a distribution of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gatecast.config import Config

_MIXED = 3  # normals of the mixture: a calm day, a usual one, a wild one
_MIXED_LOG_SCALES = (-0.7, 0.0, 0.7)  # where their scales begin; alike, they would learn alike
_OUTPUTS = {"point": 1, "normal": 2, "student_t": 3, "mixture": 3 * _MIXED}


class PointHead(nn.Module):
    """Dense layers with ReLU, then one value per step: the forecast in units of its target's scale."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.hidden, *config.dense, _OUTPUTS[config.head]]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, hidden: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch"]:
        """The value foretold at each step."""
        return self._last(hidden).squeeze(-1)

    def _last(self, hidden: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch output"]:
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        return torch.as_tensor(self.layers[-1](hidden))

    def initialise(self, generator: torch.Generator) -> None:
        """Glorot-uniform weights, zero biases."""
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)


class DistributionHead(PointHead):
    """The same layers, then the parameters of a distribution per step; `Components.of` gives them meaning."""

    def forward(self, hidden: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch parameter"]:
        """The parameters at each step."""
        return self._last(hidden)


def make_head(config: Config) -> PointHead:
    """The head that the settings name."""
    return PointHead(config) if config.head == "point" else DistributionHead(config)


@dataclass(frozen=True, kw_only=True)
class Components:
    """A mixture of Student-t distributions (df inf: normals), in units of the target's scale; (*rows, component)."""

    log_weight: Float[Tensor, "*rows component"]
    location: Float[Tensor, "*rows component"]
    scale: Float[Tensor, "*rows component"]
    df: Float[Tensor, "*rows component"]

    @classmethod
    def of(cls, head: str, parameters: Float[Tensor, "*rows parameter"]) -> Components:
        """The distribution that a head's parameters mean; a variance always exists."""
        if head == "mixture":
            location, log_scale, logit = parameters.reshape(*parameters.shape[:-1], 3, _MIXED).unbind(-2)
            log_scale = log_scale + torch.tensor(_MIXED_LOG_SCALES, device=log_scale.device)
        else:
            location, log_scale = parameters[..., :1], parameters[..., 1:2]
            logit = torch.zeros_like(location)
        df = torch.full_like(location, math.inf)
        if head == "student_t":
            df = 2.1 + functional.softplus(parameters[..., 2:])
        return cls(
            log_weight=torch.log_softmax(logit, dim=-1),
            location=location,
            scale=log_scale.clamp(-5, 5).exp(),
            df=df,
        )

    @property
    def mean(self) -> Float[Tensor, "*rows"]:
        """The mean of the mixture."""
        return (self.log_weight.exp() * self.location).sum(dim=-1)

    def log_pdf(self, value: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The log density; nats."""
        squared = ((value[..., None] - self.location) / self.scale).square()
        if bool(self.df.isinf().any()):
            each = -0.5 * (squared + math.log(2 * math.pi))
        else:
            df = self.df
            each = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(math.pi * df)
            each = each - (df + 1) / 2 * torch.log1p(squared / df)
        return torch.logsumexp(self.log_weight + each - self.scale.log(), dim=-1)
