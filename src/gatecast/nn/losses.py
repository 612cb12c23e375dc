"""Training losses, element by element; the weighted mean is taken where the weights are known."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.config import Config


def elementwise(
    config: Config, forecast: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """The loss of each forecast.

    huber: e^2 / 2 within delta, delta (|e| - delta / 2) beyond (Huber 1964); mse: e^2; mae: |e|;
    pinball at q: max(q e, (q - 1) e) with e = target - forecast (Koenker and Bassett 1978).
    """
    error = target - forecast
    size = error.abs()
    if config.loss == "mse":
        return error.square()
    if config.loss == "mae":
        return size
    if config.loss == "pinball":
        return torch.maximum(config.quantile * error, (config.quantile - 1) * error)
    delta = config.huber_delta
    return torch.where(size <= delta, 0.5 * error.square(), delta * (size - 0.5 * delta))


def weighted_mean(losses: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """sum(w * loss) / count of judged targets: weights of mean 1 keep the scale of the plain mean."""
    return (losses * weights).sum() / (weights > 0).sum().clamp(min=1)
