"""The record over time: the score of a model in each month, quarter or year of issue."""

from __future__ import annotations

import numpy as np

from gatecast.ledger.database import Database
from gatecast.ledger.summary import Part, part_of, sums_of

MOST = 16  # periods; more are hard to tell apart in a picture
_MONTHS = (1, 3, 12)  # in a period: the shortest that gives no more than `MOST` is taken


def score_by_period(database: Database, model: str, *, item: str | None = None, most: int = MOST) -> tuple[Part, ...]:
    """The score of the forecasts issued in each period, over all steps, the oldest first; empty where none is settled.

    A period is a month, a quarter, a year or several years. A `Part` says itself whether it has enough days to tell.
    """
    with database.reading() as connection:
        table = sums_of(connection, model, item)
    if not len(table["day"]):
        return ()
    months = table["day"].astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    years = int(months.max() // 12 - months.min() // 12 + 1)
    lengths = (*_MONTHS, *(12 * count for count in range(2, years + 1)))
    period = next(places for length in lengths if len(np.unique(places := months // length)) <= most)
    return tuple(
        part_of("all", {name: values[period == place] for name, values in table.items()})
        for place in np.unique(period).tolist()
    )
