"""The paths of a portfolio, and what each holding contributes to its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gatecast.errors import UsageError
from gatecast.forecast import Forecast, ItemForecast
from gatecast.prices import stamp_text
from gatecast.risk.weights import Portfolio
from gatecast.text import shown


@dataclass(frozen=True, kw_only=True, eq=False)
class PortfolioPaths:
    """The value of a portfolio along each path, 1 at the start; `values` is (paths, steps), `timestamps` (steps,).

    The steps are the union of those of its holdings up to the last that all of them reach; between its own steps a
    holding keeps its last price. Where a path loses everything (a value at or below 0, which a short sale or borrowed
    cash can bring) the portfolio is closed at that step, and its value stays: below 0 it is a debt.
    """

    forecast: Forecast
    weights: Mapping[str, float]
    rebalanced: bool
    timestamps: np.ndarray
    values: Float[np.ndarray, "paths steps"]

    @property
    def ruined(self) -> Bool[np.ndarray, " paths"]:
        """Whether each path ends at or below 0."""
        return np.asarray(self.values[:, -1] <= 0)

    def gains(self) -> Iterator[tuple[str, Float[np.ndarray, "paths steps"]]]:
        """What each holding has gained by each step, as a share of the portfolio's first value, one item at a time.

        The gains of all holdings sum to `values - 1`, at every path and step.
        """
        before = np.concatenate([np.ones((len(self.values), 1)), self.values[:, :-1]], axis=1)
        alive = before > 0
        for item_id, weight in self.weights.items():
            prices = _on(self.timestamps, self.forecast[item_id])
            scale = before / _before(prices) if self.rebalanced else 1.0
            yield item_id, weight * np.cumsum(np.diff(prices, prepend=1.0, axis=1) * scale * alive, axis=1)


def portfolio_paths(forecast: Forecast, portfolio: Portfolio) -> PortfolioPaths:
    """The value of a portfolio along the paths of a forecast, an item at a time.

    Path p of one item is combined with path p of the others, so that these should be joint. Raises `UsageError` for
    weights of items that are not there, and where the forecasts of two holdings have no day in common.
    """
    weights = portfolio.over([item.item_id for item in forecast])
    items = {item.item_id: item for item in forecast}
    timestamps = _common(items[item_id] for item_id in weights)
    growth = np.zeros((forecast.n_paths, len(timestamps)))  # held: since the start; rebalanced: in a step
    for item_id, weight in weights.items():
        prices = _on(timestamps, items[item_id])
        growth += weight * ((prices / _before(prices) if portfolio.rebalanced else prices) - 1.0)
    values = _closed_when_lost(growth, rebalanced=portfolio.rebalanced)
    return PortfolioPaths(
        forecast=forecast, weights=weights, rebalanced=portfolio.rebalanced, timestamps=timestamps, values=values
    )


def _closed_when_lost(
    growth: Float[np.ndarray, "paths steps"], *, rebalanced: bool
) -> Float[np.ndarray, "paths steps"]:
    """Values that stay where they first are at or below 0."""
    if not rebalanced:
        values = 1.0 + growth
        lost = np.logical_or.accumulate(values <= 0, axis=1)
        at = np.where(lost, (~lost).sum(axis=1)[:, None], np.arange(growth.shape[1]))
        return np.asarray(np.take_along_axis(values, at, axis=1))
    lost = np.logical_or.accumulate(growth <= -1, axis=1)
    after = np.concatenate([np.zeros((len(lost), 1), dtype=bool), lost[:, :-1]], axis=1)
    return np.asarray(np.cumprod(np.where(after, 1.0, 1.0 + growth), axis=1))


def _before(prices: Float[np.ndarray, "paths steps"]) -> Float[np.ndarray, "paths steps"]:
    """The price a step earlier; 1 before the first."""
    return np.asarray(np.concatenate([np.ones((len(prices), 1)), prices[:, :-1]], axis=1))


def _common(items: Iterator[ItemForecast]) -> np.ndarray:
    """The timestamps of any of the items, up to the last that all reach."""
    holdings = list(items)
    shortest = min(holdings, key=lambda item: item.timestamps[-1])
    latest = max(holdings, key=lambda item: item.timestamps[0])
    if latest.timestamps[0] > shortest.timestamps[-1]:
        raise UsageError(
            f"the holdings of a portfolio are forecast over the same days; the forecast of {shown(shortest.item_id)} "
            f"ends on {stamp_text(shortest.timestamps[-1])}, that of {shown(latest.item_id)} begins on "
            f"{stamp_text(latest.timestamps[0])}. Bring the older prices up to date, or leave that item out."
        )
    every = {item.timestamps.tobytes(): item.timestamps for item in holdings}  # most items share a calendar
    stamps = np.unique(np.concatenate(list(every.values())))
    return np.asarray(stamps[stamps <= shortest.timestamps[-1]])


def _on(timestamps: np.ndarray, item: ItemForecast) -> Float[np.ndarray, "paths steps"]:
    """An item's closes relative to the last known one at these timestamps, carried forward between its own."""
    if np.array_equal(timestamps, item.timestamps):
        return item.paths / item.last_close
    at = np.searchsorted(item.timestamps, timestamps, side="right")
    known = np.concatenate([np.ones((len(item.paths), 1)), item.paths / item.last_close], axis=1)
    return np.asarray(known[:, at])
