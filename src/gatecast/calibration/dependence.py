"""How the items of a table move together: ranks of their outcomes day by day, and days of the past drawn for paths.

An item's outcome of a day is its move in units of the volatility that was known the day before: its own, and the
market's, which forecasts know, too, so that what it brings is not counted twice. Its rank among the item's own outcomes
says how unusual the day was for it; the ranks of all items on one day say how they move together, whatever each one's
distribution is: their copula (Sklar 1959), taken as it was, tails included. A step of a path takes one such day for all
items, and each item the shock that stands there in the distribution of its own forecast (filtered historical simulation
across assets: Barone-Adesi, Giannopoulos and Vosper 1999). The places themselves are independent draws, put in the
order of the ranks, so that the paths of an item are what they would be without the other items. Days come in blocks of
random length (the stationary bootstrap of Politis and Romano 1994), recent ones oftener, so that which item follows
which is kept too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.forecast import item_rng
from gatecast.prices import PriceSeries

DAYS = 2500  # of the past from which days are drawn: ten years of sessions
HALF_LIFE = 1000.0  # days after which a day is drawn half as often
BLOCK = 3.0  # days that follow each other in a path, on average
DECAY = 0.94  # of the variance that an outcome is held against; RiskMetrics (1996), daily
MARKET_HALF_LIFE = 5.0  # days after which the size of all items' outcomes counts half in the market's volatility
USUAL_SIZE = float(np.sqrt(2 / np.pi))  # of an outcome before any is known: the mean size of a normal one
WARMUP = 20  # moves of an item before its first outcome that counts
LEAST = 60  # outcomes of an item; with fewer nothing is known of it, and it moves by itself
_STREAM = "dependence of the items"  # no item's own stream


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """An item's moves, each in units of the volatility that was known the day before, and their days; (day,) each."""

    item_id: str
    timestamps: np.ndarray
    values: Float[np.ndarray, " day"]

    @classmethod
    def of(cls, series: PriceSeries) -> Outcomes:
        """Those of a series; each from the rows up to its own alone."""
        moves = np.diff(np.log(series.close))
        if len(moves) <= WARMUP:
            return cls(item_id=series.item_id, timestamps=series.timestamps[:0], values=moves[:0])
        squares = np.square(moves)
        start = squares[:WARMUP].mean()
        variance = _smoothed(squares, DECAY, start)
        values = moves[WARMUP:] / np.sqrt(np.maximum(variance[WARMUP - 1 : -1], 1e-24))
        return cls(item_id=series.item_id, timestamps=series.timestamps[WARMUP + 1 :], values=values)

    @classmethod
    def of_table(cls, table: Sequence[PriceSeries]) -> list[Outcomes]:
        """Those of each, in units of the market's volatility, too: that of all their outcomes of the days before.

        A day counts to it on which LEAST_ITEMS have an outcome, so that a table of fewer has none.
        """
        outcomes = [cls.of(series) for series in table]
        calendar, at = np.unique(np.concatenate([item.timestamps for item in outcomes]), return_inverse=True)
        places = np.split(at, np.cumsum([len(item.values) for item in outcomes])[:-1])
        sizes = np.full((len(calendar), len(outcomes)), np.nan)
        for number, (item, place) in enumerate(zip(outcomes, places, strict=True)):
            sizes[place, number] = np.abs(item.values)
        enough = np.count_nonzero(~np.isnan(sizes), axis=1) >= LEAST_ITEMS
        if not enough.any():
            return outcomes
        mean = np.nanmean(np.sort(sizes[enough], axis=1), axis=1)  # sorted, so that the order of items is no matter
        decay = 0.5 ** (1 / MARKET_HALF_LIFE)
        market = _smoothed(mean, decay, USUAL_SIZE)
        before = np.cumsum(enough) - enough  # days that count before each
        market = np.concatenate([[USUAL_SIZE], np.maximum(market, 1e-9)])[before]
        return [replace(item, values=item.values / market[place]) for item, place in zip(outcomes, places, strict=True)]

    def until(self, cutoff: np.datetime64) -> Outcomes:
        """Those of the days at or before a cutoff."""
        known = slice(int(np.searchsorted(self.timestamps, cutoff, side="right")))
        return replace(self, timestamps=self.timestamps[known], values=self.values[known])


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """The days that the items of a table have in common, oldest first: each one's rank in (0, 1), NaN without one."""

    item_ids: tuple[str, ...]
    ranks: Float[np.ndarray, "day item"]

    @classmethod
    def learn(cls, outcomes: Sequence[Outcomes]) -> Dependence:
        """From the last DAYS days of the items of a table; nothing is known of an item with fewer than LEAST."""
        calendar = np.unique(np.concatenate([item.timestamps[-DAYS:] for item in outcomes]))[-DAYS:]
        ranks = np.full((max(len(calendar), 1), len(outcomes)), np.nan, dtype=np.float32)
        for place, item in enumerate(outcomes):
            stamps = item.timestamps[-DAYS:]
            stamps = stamps[stamps >= calendar[0]] if len(stamps) else stamps
            if len(stamps) >= LEAST:
                values = item.values[-len(stamps) :]
                ranks[np.searchsorted(calendar, stamps), place] = (pd.Series(values).rank().to_numpy() - 0.5) / len(
                    values
                )
        return cls(item_ids=tuple(item.item_id for item in outcomes), ranks=ranks)

    def places(self, futures: Sequence[np.ndarray], paths: int, seed: int) -> list[Float[np.ndarray, "horizon paths"]]:
        """For each item, step and path the place in (0, 1) of the shock in the item's own distribution.

        `futures` are the timestamps to come, an array an item: items meet on days that they have in common. A day on
        which an item did not trade places it at random.
        """
        rng = item_rng(_STREAM, seed)
        calendar, at = np.unique(np.concatenate(futures), return_inverse=True)
        steps = np.split(at, np.cumsum([len(future) for future in futures])[:-1])
        trades = np.zeros((len(calendar), len(futures)), dtype=bool)
        for place, mine in enumerate(steps):
            trades[mine, place] = True
        days = self._days(trades, paths, rng)
        found = []
        for place, (item_id, mine) in enumerate(zip(self.item_ids, steps, strict=True)):
            own = item_rng(f"{_STREAM}: {item_id}", seed)
            ranks, chance = self.ranks[:, place][days[mine]], own.random((len(mine), 2, paths)).swapaxes(0, 1)
            known = ~np.isnan(ranks)
            within = (chance[0] - 0.5) / max(np.count_nonzero(~np.isnan(self.ranks[:, place])), 1)
            order = np.argsort(np.where(known, ranks + within, chance[0]), axis=1)
            placed = np.empty_like(chance[1])
            np.put_along_axis(placed, order, np.sort(chance[1], axis=1), axis=1)
            found.append(placed)
        return found

    def _days(
        self, trades: Bool[np.ndarray, "date item"], paths: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "date path"]:
        """A past day for every date to come and path, rather one on which the items that trade on that date did."""
        traded = (~np.isnan(self.ranks)).astype(np.float32)
        count = len(traded)
        recency = 0.5 ** (np.arange(count)[::-1] / HALF_LIFE)
        shares = trades @ traded.T / trades.sum(axis=1, keepdims=True)  # (date, day): of the items of that date
        days = np.empty((len(trades), paths), dtype=np.int64)
        for date, share in enumerate(shares):
            weight = recency * np.square(share)
            if not weight.any():
                weight = recency
            drawn = rng.choice(count, size=paths, p=weight / weight.sum())
            if date:
                following = np.minimum(days[date - 1] + 1, count - 1)
                goes_on = (rng.random(paths) > 1 / BLOCK) & (days[date - 1] + 1 < count) & (share[following] > 0.5)
                drawn = np.where(goes_on, following, drawn)
            days[date] = drawn
        return days


def _smoothed(values: Float[np.ndarray, " time"], decay: float, start: float) -> Float[np.ndarray, " time"]:
    """The exponentially weighted mean up to each value, `start` before the first.

    >>> _smoothed(np.array([1.0, 1.0]), decay=0.5, start=0.0).tolist()
    [0.5, 0.75]
    """
    # Pandas has imported what it needs for this already; scipy.signal would take half a second.
    return pd.Series(np.concatenate([[start], values])).ewm(alpha=1 - decay, adjust=False).mean().to_numpy()[1:]
