"""Bars whose range belongs to the next day, as where the price of a day's start is stamped as its close.

Free daily bars of currencies are so from about 2010 on: the day's high and low are what happened after its "close". A
model that reads such ranges seems to foresee how far the next price lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.readers.rows import ItemRows

LEAST_ROWS = 100
JUDGED = 5000  # the last rows that are judged: 20 years of days, in bounded memory
RECENT = 500  # the last rows, which are judged by themselves too: a source may have changed
FORETELLS = 0.45  # a rank correlation of ranges with the next moves; of sound bars it is 0.1 to 0.35
BEYOND_OWN = 0.2  # by which it exceeds that with the own day's moves, of sound bars 0.4 to 0.7


@dataclass(frozen=True, kw_only=True)
class RangeCorrelations:
    """Spearman's correlation of a day's range with the size of its own move, and of the next day's."""

    own: float
    following: float

    @property
    def misdated(self) -> bool:
        """Whether ranges belong to the next day."""
        return self.following > FORETELLS and self.following > self.own + BEYOND_OWN


def range_correlations(
    close: Float[np.ndarray, " time"], high: Float[np.ndarray, " time"], low: Float[np.ndarray, " time"]
) -> RangeCorrelations:
    """Those of a series; 0 where it has fewer than LEAST_ROWS rows, or where nothing moves."""
    if len(close) < LEAST_ROWS:
        return RangeCorrelations(own=0.0, following=0.0)
    size, span = np.abs(np.diff(np.log(close))), np.log(high / low)
    return RangeCorrelations(own=rank_correlation(span[1:], size), following=rank_correlation(span[:-1], size))


def rank_correlation(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Spearman (1904); 0 where one of them is constant."""
    ranks = np.stack([pd.Series(values).rank() for values in (x, y)])
    spread = ranks.std(axis=1)
    return float(np.corrcoef(ranks)[0, 1]) if spread.all() else 0.0


def drop_misdated_bars(item: ItemRows) -> None:
    """Leave open, high and low unused where ranges belong to the next day, in the last rows; note it."""
    values = item.values
    if "high" not in values or "low" not in values:
        return
    for rows in (slice(-JUDGED, None), slice(-RECENT, None)):
        if not _worth_ranking(*(values[name][rows] for name in ("close", "high", "low"))):
            continue
        found = range_correlations(values["close"][rows], values["high"][rows], values["low"][rows])
        if found.misdated:
            for name in ("open", "high", "low"):
                values.pop(name, None)
            item.note(
                f"left open, high and low unused: ranges go with the next day's move (rank correlation "
                f"{found.following:.2f}) and not with their own ({found.own:.2f}), as where the price of a day's start "
                "is stamped as its close. A model would seem to foresee the next day."
            )
            return


def _worth_ranking(
    close: Float[np.ndarray, " time"], high: Float[np.ndarray, " time"], low: Float[np.ndarray, " time"]
) -> bool:
    """Whether ranges go with the next move more than with their own, by sums alone; of sound bars they do not."""
    size, span = np.abs(np.diff(np.log(close))), np.log(high / low)
    centred = size - size.mean() if len(size) else size
    return bool(span[:-1] @ centred > span[1:] @ centred)
