"""Which column holds the dates, and which the times of day beside them: by name, else by what its cells look like."""

from __future__ import annotations

import numpy as np

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Column, Grid, matches
from gatecast.readers.choices import name_it
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.names import is_time, key, kinds, known
from gatecast.text import listed, shown

_HEAD = 50  # rows looked at
_CLOCK = r"^\d{1,2}:\d{2}(:\d{2})?(\.\d+)?$|^\d{4}(\d{2})?$"  # of a column called time
_SURE_CLOCK = r"^\d{1,2}:\d{2}(:\d{2})?(\.\d+)?$"
_NUMBER = r"^\s*[+-]?[\d.]+\s*$"
_COUNT = r"^\s*-?(\d{8}|\d{9,19})(\.0*)?\s*$"  # 20210304, or ticks since 1970
_DOTTED = r"^\d{1,2}\.\d{1,2}\.\d{2,4}$|^\d{4}\.\d\d?\.\d\d?$"
_ARE_DATES, _MAY_BE_DATES = 2, 1  # 2021-03-04; 20210304 or a count since 1970, as a volume may look


def date_columns(grid: Grid) -> tuple[int, int | None]:
    """The columns of dates and of times; raises `UnreadableSource` where no column holds dates."""
    names = [key(levels[0]) for levels in grid.names]
    date = _date_column(grid, names)
    for at, levels in enumerate(grid.names):
        named = is_time(levels[0])
        if at != date and _all_match(grid.columns[at], _CLOCK if named else _SURE_CLOCK):
            return date, at
        if named and at != date and names[date] == "date" and names[at] == "time":
            return date, at
    return date, None


def _date_column(grid: Grid, names: list[str]) -> int:
    if grid.options.date is not None:
        return find_column(grid, "date", grid.options.date)
    ranks = known("date")
    named = sorted((at for at, name in enumerate(names) if name in ranks), key=lambda at: ranks[names[at]])
    if not named and set("ohlct") <= set(names):  # Polygon's letters
        named = [names.index("t")]
    for at in named:
        if _likeness(grid, at):
            return at
    others = [at for at in range(len(names)) if at not in named and not set(kinds(names[at])) - {"date"}]
    likely = {at: likeness for at in others or range(len(names)) if (likeness := _likeness(grid, at, named=False))}
    if likely:
        date = max(likely, key=lambda at: (likely[at], -at))
        if named:
            what = f"column {shown(grid.names[named[0]][0])} holds none"
            grid.findings.note(f"took column {shown(grid.names[date][0])} as the date: {what}.")
        return date
    if named:  # rows says which cell is no date
        return named[0]
    raise UnreadableSource(
        f"a table needs a date column; this one has {column_names(grid)}. Name a column 'date' (or datetime, "
        f"timestamp, ds), or pass {name_it('date', grid.names[0][0] if grid.names else 'COLUMN')}."
    )


def find_column(grid: Grid, what: str, name: str) -> int:
    """The column that the caller named; raises `UnreadableSource` where the table has none of that name."""
    wanted = name.strip()
    labels = ["/".join(levels) for levels in grid.names]
    for spelling in (str.strip, str.casefold, key):
        same = [at for at, label in enumerate(labels) if spelling(label) == spelling(wanted)]
        if same:
            return same[0]
    likely = next((label for label in labels if what in kinds(key(label))), labels[0] if labels else "COLUMN")
    raise UnreadableSource(
        f"a named column must be in the table; {shown(wanted)} is not among {column_names(grid)}. "
        f"Pass one of these, such as {name_it(what, likely)}."
    )


def column_names(grid: Grid) -> str:
    """The names of the columns, for a message."""
    return listed([shown("/".join(levels)) for levels in grid.names], 12) or "no columns"


def _all_match(column: Column, pattern: str) -> bool:
    return not isinstance(column, np.ndarray) and len(column) > 0 and bool(matches(column[:_HEAD], pattern).all())


def _likeness(grid: Grid, at: int, *, named: bool = True) -> int:
    """How surely the first cells are dates: 0 is not at all; without a name they need to look the part."""
    column = grid.columns[at][:_HEAD]
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "M":
            return _ARE_DATES
        digits = True
    else:
        digits = bool(matches(column, _NUMBER).sum() > 0.5 * len(column))
        if not named and matches(column, _COUNT if digits else r"\d[-/. ]|\d{4}").sum() <= 0.8 * len(column):
            return _ARE_DATES if matches(column, _DOTTED).all() else 0
    try:
        dates = parse_dates(column, grid.names[at][0], Findings())
    except UnreadableSource:  # the first cells leave day and month unclear; the whole column may not
        return _ARE_DATES
    if np.isnat(dates.stamps).all() or dates.unreadable.mean() > (0.5 if named else 0.2):
        return 0
    sure = not digits or named or _in_order(dates.stamps)
    return (_MAY_BE_DATES if digits else _ARE_DATES) if sure else 0


def _in_order(stamps: np.ndarray) -> bool:
    """Whether plain numbers that could be dates lie in our time and mostly rise, or mostly fall."""
    stamps = stamps[~np.isnat(stamps)]
    inside = (stamps > np.datetime64("1900-01-01")) & (stamps < np.datetime64("2100-01-01"))
    rising = np.diff(stamps) >= np.timedelta64(0)
    return bool(inside.all() and (len(rising) == 0 or not 0.1 < rising.mean() < 0.9))
