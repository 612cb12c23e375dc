"""The weighted mean of losses, where the weights of a batch are known."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def weighted_mean(
    losses: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"], judged: int
) -> Float[Tensor, ""]:
    """sum(w * loss) over the count of judged targets: weights of mean 1 keep the scale of the plain mean.

    `losses` may be a share of a batch that has `judged` targets; the means of its shares add up to its own.
    """
    return (losses * weights).sum() / max(judged, 1)
