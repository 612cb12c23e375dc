"""Two holdings of a portfolio together: which two, their returns path by path, and how they move together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gatecast.forecast import ItemForecast
from gatecast.risk.portfolio import PortfolioPaths

MOST_COMPARED = 100  # holdings of equal weight among which a pair is looked for


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """The returns of two holdings to the portfolio's last step, along each path, as shares of the last close.

    `correlation` is Pearson's, over paths; 0 where one of them does not move. `worst` are the paths in which the
    portfolio loses most.
    """

    item_ids: tuple[str, str]
    returns: Float[np.ndarray, "2 paths"]
    correlation: float
    worst: Bool[np.ndarray, " paths"]


def holding_pair(held: PortfolioPaths, *, level: float) -> Pair | None:
    """The two largest holdings; of those that are equally large, the two that move together most.

    `level` is the share of worst paths. None where there is a single holding, or the items were simulated
    independently: then nothing is to be seen.
    """
    if len(held.weights) < 2 or not held.forecast.joint:
        return None
    sizes = sorted((abs(weight) for weight in held.weights.values()), reverse=True)
    item_ids = [item_id for item_id, weight in held.weights.items() if abs(weight) >= sizes[1]][:MOST_COMPARED]
    returns = np.stack([_returns(held.forecast[item_id], held.timestamps[-1]) for item_id in item_ids])
    together = _correlations(returns)
    first, second = _strongest(together)
    values = held.values[:, -1]
    worst = np.zeros(len(values), dtype=bool)
    worst[np.argsort(values, kind="stable")[: max(round(level * len(values)), 1)]] = True
    return Pair(
        item_ids=(item_ids[first], item_ids[second]),
        returns=returns[[first, second]],
        correlation=float(together[first, second]),
        worst=worst,
    )


def _returns(item: ItemForecast, end: np.datetime64) -> Float[np.ndarray, " paths"]:
    """The returns to the item's last step on or before the end; 0 where its first lies beyond it."""
    steps = int(np.searchsorted(item.timestamps, end, side="right"))
    return np.asarray(item.paths[:, steps - 1] / item.last_close - 1.0 if steps else np.zeros(len(item.paths)))


def _correlations(returns: Float[np.ndarray, "items paths"]) -> Float[np.ndarray, "items items"]:
    centred = returns - returns.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 0)
    return np.asarray(unit @ unit.T)


def _strongest(together: Float[np.ndarray, "items items"]) -> Sequence[int]:
    """The places of the pair with the largest correlation in size, the first of equals."""
    size = np.triu(np.abs(together) + 1e-9, 1)
    return sorted(int(place) for place in np.unravel_index(int(size.argmax()), size.shape))
