"""The record over time: the score of a model in each month, quarter or year of issue."""

from __future__ import annotations

import numpy as np

from gatecast.ledger.database import Database
from gatecast.ledger.summary import Part, part_of, sums_of

MOST = 16  # periods; more are hard to tell apart in a picture
FEW = 4  # periods, below which a longer one is not looked for
_DAYS = 10  # of issue in a period, on average; of fewer the interval is as wide as the picture
_MONTHS = (1, 3, 12)  # in a period


def score_by_period(database: Database, model: str, *, item: str | None = None, most: int = MOST) -> tuple[Part, ...]:
    """The score of the forecasts issued in each period, over all steps, the oldest first; empty where none is settled.

    A period is a month, a quarter, a year or several years: the shortest that gives no more than `most` periods, and
    ten days of issue in each on average where that leaves four or more. A `Part` says itself whether it has enough days
    to tell.
    """
    with database.reading() as connection:
        table = sums_of(connection, model, item)
    if not len(table["day"]):
        return ()
    period = _periods(table["day"], most)
    return tuple(
        part_of("all", {name: values[period == place] for name, values in table.items()})
        for place in np.unique(period).tolist()
    )


def _periods(days: np.ndarray, most: int) -> np.ndarray:
    """The period of each day, days since 1970."""
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    years = int(months.max() // 12 - months.min() // 12 + 1)
    wanted = max(min(most, len(np.unique(days)) // _DAYS), min(FEW, most))
    found = months
    for length in (*_MONTHS, *(12 * count for count in range(2, years + 1))):
        places = months // length
        if len(np.unique(places)) < FEW and len(np.unique(found)) <= most:
            break
        found = places
        if len(np.unique(found)) <= wanted:
            break
    return np.asarray(found)
