"""Training losses, element by element; the weighted mean is taken where the weights are known."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gatecast.config import Config
from gatecast.nn.heads import Components


def elementwise(
    config: Config, forecast: Float[Tensor, "*shape_parameter"], target: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """The loss of each forecast.

    huber: e^2 / 2 within delta, delta (|e| - delta / 2) beyond (Huber 1964); mse: e^2; mae: |e|;
    pinball at q: max(q e, (q - 1) e) with e = target - forecast (Koenker and Bassett 1978). A head that foretells a
    distribution is judged by its negative log-likelihood, whatever `loss` says.
    """
    if config.head != "point":
        return -Components.of(config.head, forecast).log_pdf(target)
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


def weighted_mean(
    losses: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"], judged: int
) -> Float[Tensor, ""]:
    """sum(w * loss) over the count of judged targets: weights of mean 1 keep the scale of the plain mean.

    `losses` may be a share of a batch that has `judged` targets; the means of its shares add up to its own.
    """
    return (losses * weights).sum() / max(judged, 1)


def centre(config: Config, forecast: Float[Tensor, "*shape_parameter"]) -> Float[Tensor, "*shape"]:
    """The value a forecast is centred on: itself, or the mean of its distribution."""
    return forecast if config.head == "point" else Components.of(config.head, forecast).mean
