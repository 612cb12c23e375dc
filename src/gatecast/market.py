"""What a table tells of a day beyond an item's own rows: how all its items moved, each in its own units.

Volatility is catching: where many stocks had a wild day, the next will be wild for those that were calm, too. A table
of few items tells nothing of a market, nor does a single file; the network has learned to do without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from gatecast.signals import RANGE_SIGNALS, SOFT, Signals

AVERAGED = (0, 1, 6, 7, 8, 10)  # signals whose mean over the items is told: moves, and ranges of 1 to 50 days
MARKET = len(AVERAGED) + 3
LEAST_ITEMS = 8  # with a row that day; fewer are a few prices, and no market
_RANGED = [place for place, one in enumerate(AVERAGED) if RANGE_SIGNALS.start <= one < RANGE_SIGNALS.stop]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One item of a table: its signals at these timestamps, and whether it has ranges."""

    timestamps: Shaped[np.ndarray, " time"]
    signals: Signals
    ranged: bool


def market_rows(items: Sequence[Seen], first: int = 0) -> list[Float[np.ndarray, "_ market"]]:
    """The market at every row of every item: (time, MARKET) each, NaN where it cannot be told.

    An item's rows before `first` count for nobody.

    The means of the AVERAGED signals over the items that have a row at that timestamp; the logarithms of the spread
    of their moves and of the size of the mean move; the item's own log scale against their mean. Means of ranges are
    over the items that have them, and told to those alone.
    """
    if len(items) < LEAST_ITEMS:
        return [np.full((len(one.timestamps), MARKET), np.nan) for one in items]
    calendar = np.unique(np.concatenate([one.timestamps for one in items]))
    each = np.full((len(items), len(calendar), len(AVERAGED) + 1), np.nan)
    places = [np.searchsorted(calendar, one.timestamps) for one in items]
    for values, one, rows in zip(each, items, places, strict=True):
        values[rows[first:], :-1] = one.signals.values[first:, AVERAGED]
        values[rows[first:], -1] = np.log(one.signals.scale[first:])
        if not one.ranged:
            values[:, _RANGED] = np.nan
    there = np.isfinite(each).sum(axis=0)
    means = np.where(there >= LEAST_ITEMS, np.nansum(each, axis=0) / np.maximum(there, 1), np.nan)
    move = means[:, 0]
    spread = np.sqrt(np.nansum(np.square(each[:, :, 0] - move), axis=0) / np.maximum(there[:, 0], 1))
    told = np.column_stack(
        [means[:, :-1], np.log(spread + SOFT) + 0 * move, np.log(np.abs(move) + SOFT), -means[:, -1]]
    )
    rows_of = []
    for values, one, rows in zip(each, items, places, strict=True):
        own = told[rows]
        own[:, -1] += values[rows, -1]
        if not one.ranged:
            own[:, _RANGED] = np.nan
        rows_of.append(own)
    return rows_of
