"""What stands between the encoder and the forecast value."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gatecast.config import Config


class PointHead(nn.Module):
    """Dense layers with ReLU, then one value per step: the forecast in units of its target's scale."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.hidden, *config.dense, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, hidden: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch"]:
        """The value foretold at each step."""
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        return torch.as_tensor(self.layers[-1](hidden).squeeze(-1))

    def initialise(self, generator: torch.Generator) -> None:
        """Glorot-uniform weights, zero biases."""
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
