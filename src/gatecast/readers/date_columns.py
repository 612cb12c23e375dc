"""Which column of a grid holds the dates, by its cells, where no column is named as such."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Column, Grid, matches
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings

_SAMPLE = 200  # rows from the top
_SPELT = r"\d[-/. :]?[A-Za-z\d]|[A-Za-z]"  # cells worth the attempt
_DIGITS = r"^-?[\d.,]+$"  # dates without a sign of their own: they could be prices or volumes


def date_column(grid: Grid) -> int | None:
    """The column that holds dates best: spelled dates before bare numbers that only rise or only fall.

    A price or a volume is never taken for a date where another column is a better one: numbers such as 46346,
    20261120 or a count since 1970 are dates only if nine in ten steps go the same way.
    """
    scores = [_score(column, grid.names[at][0]) for at, column in enumerate(grid.columns)]
    best = max(range(len(scores)), key=lambda at: scores[at], default=0)
    return best if scores and scores[best] > 0 else None


def _score(column: Column, name: str) -> int:
    """3 of timestamps, 2 of spelled dates, 1 of numbers that can be dates, 0 of anything else."""
    head = column[:_SAMPLE]
    if isinstance(head, np.ndarray):
        if head.dtype.kind == "M":
            return 3
        if not len(head) or not (head == np.floor(head)).all():
            return 0
        digits = True
    else:
        filled = pc.utf8_trim_whitespace(head)
        filled = filled.filter(pa.array(matches(filled, r"(?s).")))
        if len(filled) == 0 or matches(filled, _SPELT).sum() <= 0.8 * len(filled):
            return 0
        head, digits = filled, bool(matches(filled, _DIGITS).mean() > 0.5)
    try:
        dates = parse_dates(head, name, Findings())
    except UnreadableSource:  # the first cells leave day and month unclear; the whole column may not
        return 0 if digits and not matches(head, r"^\d+[/.\-]\d+[/.\-]\d+$").all() else 2
    if (dates.unreadable | dates.outside).mean() >= 0.2:
        return 0
    return int(_runs(dates.stamps)) if digits else 2


def _runs(stamps: np.ndarray) -> bool:
    """Whether most steps go the same way, as dates do; those of prices and volumes go up and down."""
    steps = np.diff(stamps[~np.isnat(stamps)].astype(np.int64))
    steps = steps[steps != 0]
    return len(steps) > 0 and max((steps > 0).mean(), (steps < 0).mean()) >= 0.9
