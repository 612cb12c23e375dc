"""What a table tells of a day beyond an item's own rows: how all its items moved, each in its own units.

Volatility is catching: where many stocks had a wild day, the next will be wild for those that were calm, too. A table
of few items tells nothing of a market, nor does a single file; the network has learned to do without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Shaped

from gatecast.features.signals import RANGE_SIGNALS, SIGNALS, SOFT, Signals

AVERAGED = (0, 1, 6, 7, 8, 10)  # signals whose mean over the items is told: moves, and ranges of 1 to 50 days
MARKET = len(AVERAGED) + 3
LEAST_ITEMS = 8  # with a row that day; fewer are a few prices, and no market
_RANGES = range(SIGNALS)[RANGE_SIGNALS]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One item of a table: its signals at these timestamps, and whether it has ranges."""

    timestamps: Shaped[np.ndarray, " time"]
    signals: Signals
    ranged: bool

    @cached_property
    def values(self) -> Float[np.ndarray, "time told"]:
        """What it tells the others: the AVERAGED signals, and its log scale."""
        return np.column_stack([self.signals.values[:, AVERAGED], np.log(self.signals.scale)])

    @cached_property
    def tells(self) -> Bool[np.ndarray, " told"]:
        """Which of them it has."""
        return np.array([self.ranged or one not in _RANGES for one in AVERAGED] + [True])


def market_rows(items: Sequence[Seen]) -> list[Float[np.ndarray, "_ market"]]:
    """The market at every row of every item: (time, MARKET) each, NaN where it cannot be told.

    The means of the AVERAGED signals over the items that have a row at that timestamp; the logarithms of the spread
    of their moves and of the size of the mean move; the item's own log scale against their mean. Means of ranges are
    over the items that have them, and told to those alone.
    """
    if len(items) < LEAST_ITEMS:
        return [np.full((len(one.timestamps), MARKET), np.nan) for one in items]
    calendar = np.unique(np.concatenate([one.timestamps for one in items]))
    places = [np.searchsorted(calendar, one.timestamps) for one in items]
    total, there = np.zeros((len(calendar), len(AVERAGED) + 1)), np.zeros((len(calendar), len(AVERAGED) + 1))
    for one, rows in zip(items, places, strict=True):
        there[rows] += one.tells
        total[rows] += np.where(one.tells, one.values, 0.0)
    means = np.where(there >= LEAST_ITEMS, total / np.maximum(there, 1), np.nan)
    move = means[:, 0]
    squared = np.where(np.isnan(move), np.nan, 0.0)
    for one, rows in zip(items, places, strict=True):
        squared[rows] += np.square(one.values[:, 0] - move[rows])
    spread = np.sqrt(squared / np.maximum(there[:, 0], 1))
    told = np.column_stack([means[:, :-1], np.log(spread + SOFT), np.log(np.abs(move) + SOFT), -means[:, -1]])
    return [_told_to(one, told[rows]) for one, rows in zip(items, places, strict=True)]


def _told_to(item: Seen, market: Float[np.ndarray, "time market"]) -> Float[np.ndarray, "time market"]:
    market[:, -1] += item.values[:, -1]
    market[:, np.flatnonzero(~item.tells[:-1])] = np.nan
    return market
