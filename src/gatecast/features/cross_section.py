"""The cross-section of a table: how all its items moved on a day, each in units of its own volatility.

Volatility is contagious: after a day that was wild for many stocks, the next tends to be wild also for those that were
calm. A table of few items, or a single file, has no cross-section; the network has learned to work without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Shaped

from gatecast.features.signals import RANGE_SIGNALS, SIGNALS, SOFT, Signals

AVERAGED = (0, 1, 6, 7, 8, 10)  # signals that are averaged over the items: moves, and ranges of 1 to 50 days
CROSS_SECTION = len(AVERAGED) + 3
LEAST_ITEMS = 8  # with a row that day; the mean of fewer says more of them than of a market
_RANGES = range(SIGNALS)[RANGE_SIGNALS]


@dataclass(frozen=True, kw_only=True)
class ItemSignals:
    """One item of a table: its signals at these timestamps, and whether it has ranges."""

    timestamps: Shaped[np.ndarray, " time"]
    signals: Signals
    has_range: bool

    @cached_property
    def values(self) -> Float[np.ndarray, "time part"]:
        """What it contributes: the AVERAGED signals, and its log scale."""
        return contribution(self.signals)

    @cached_property
    def has(self) -> Bool[np.ndarray, " part"]:
        """Which of these it has."""
        return contributes(self.has_range)


def cross_section_rows(items: Sequence[ItemSignals]) -> list[Float[np.ndarray, "_ cross_section"]]:
    """The cross-section at every row of every item: (time, CROSS_SECTION) each, NaN where there is none.

    The means of the AVERAGED signals over the items that have a row at that timestamp; the logarithms of the spread
    of their moves and of the size of the mean move; the item's own log scale against their mean. Means of ranges are
    over the items that have ranges, and given to those alone.
    """
    if len(items) < LEAST_ITEMS:
        return [np.full((len(item.timestamps), CROSS_SECTION), np.nan) for item in items]
    calendar = np.unique(np.concatenate([item.timestamps for item in items]))
    places = [np.searchsorted(calendar, item.timestamps) for item in items]
    total, count = np.zeros((len(calendar), len(AVERAGED) + 1)), np.zeros((len(calendar), len(AVERAGED) + 1))
    for item, rows in zip(items, places, strict=True):
        count[rows] += item.has
        total[rows] += np.where(item.has, item.values, 0.0)
    means = _means(total, count)
    squared = np.zeros(len(calendar))
    for item, rows in zip(items, places, strict=True):
        squared[rows] += np.square(item.values[:, 0] - means[rows, 0])
    common = _common(means, squared, count[:, 0])
    found = []
    for item, rows in zip(items, places, strict=True):
        seen = common[rows]
        seen[:, -1] += item.values[:, -1]
        seen[:, np.flatnonzero(~item.has[:-1])] = np.nan
        found.append(seen)
    return found


def cross_section_of(
    values: Float[np.ndarray, "item path part"], has: Bool[np.ndarray, "item part"]
) -> Float[np.ndarray, "item path cross_section"]:
    """The cross-section of one day of many paths, as `cross_section_rows` has it of the days of a history.

    `values` and `has` are what each item contributes (`ItemSignals`).
    """
    present = has[:, None, :]
    count = np.broadcast_to(has.sum(axis=0, dtype=np.float64), values.shape[1:])
    means = _means(np.where(present, values, 0.0).sum(axis=0), count)
    squared = np.square(values[..., 0] - means[:, 0]).sum(axis=0)
    seen = np.repeat(_common(means, squared, count[:, 0])[None], len(values), axis=0)
    seen[..., -1] += values[..., -1]
    lacking = np.pad(~has[:, :-1], ((0, 0), (0, CROSS_SECTION - len(AVERAGED))))
    return np.asarray(np.where(lacking[:, None, :], np.nan, seen))


def contribution(signals: Signals) -> Float[np.ndarray, "row part"]:
    """What rows contribute to a cross-section: the AVERAGED signals, and the log scale."""
    return np.column_stack([signals.values[:, AVERAGED], np.log(signals.scale)])


def contributes(has_range: bool) -> Bool[np.ndarray, " part"]:
    """Which of these a series has."""
    return np.array([has_range or signal not in _RANGES for signal in AVERAGED] + [True])


def _means(total: Float[np.ndarray, "day part"], count: Float[np.ndarray, "day part"]) -> Float[np.ndarray, "day part"]:
    return np.asarray(np.where(count >= LEAST_ITEMS, total / np.maximum(count, 1), np.nan))


def _common(
    means: Float[np.ndarray, "day part"], squared: Float[np.ndarray, " day"], count: Float[np.ndarray, " day"]
) -> Float[np.ndarray, "day cross_section"]:
    """What all items of a day have in common; the last column lacks their own log scale."""
    move, spread = means[:, 0], np.sqrt(squared / np.maximum(count, 1))
    return np.column_stack([means[:, :-1], np.log(spread + SOFT), np.log(np.abs(move) + SOFT), -means[:, -1]])
