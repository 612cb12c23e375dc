"""Which column holds the dates, and which the times of day beside them: by name, else by what its cells look like."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Column, Grid, matches
from gatecast.readers.choices import name_it
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.names import is_time, key, kinds, known
from gatecast.readers.numbers import look_like_numbers
from gatecast.text import listed, shown

_SAMPLE = 200  # rows from the top
_CLOCK = r"^\d{1,2}:\d{2}(:\d{2})?(\.\d+)?$|^\d{4}(\d{2})?$"  # of a column called time
_SURE_CLOCK = r"^\d{1,2}:\d{2}(:\d{2})?(\.\d+)?$"
_SPELT = r"\d[-/. :]?[A-Za-z\d]|[A-Za-z]|[年년]"  # cells worth the attempt
_DIGITS = r"^-?[\d.,]+$"  # dates without a sign of their own: they could be prices or volumes
_NUMBERED = r"^\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4}$|^\d{4}[/.\-]\d{1,2}[/.\-]\d{1,2}$"  # 20.11.2026
_TIMESTAMPS, _SPELLED, _BARE = 3, 2, 1  # how surely cells are dates
_UNREADABLE = 0.2  # of the cells of a column of dates; of one that is called so more
_SAME_WAY = 0.9  # of the steps between numbers that are dates


def date_columns(grid: Grid) -> tuple[int, int | None]:
    """The columns of dates and of times; raises `UnreadableSource` where no column holds dates."""
    names = [key(levels[0]) for levels in grid.names]
    date = _date_column(grid, names)
    if len(grid) and not _filled(grid.columns[date]):
        raise UnreadableSource(
            f"every row needs a date; column {shown(grid.names[date][0])} has none. Write dates as 2021-03-04."
        )
    for at, levels in enumerate(grid.names):
        named = is_time(levels[0])
        if at != date and _all_match(grid.columns[at], _CLOCK if named else _SURE_CLOCK):
            return date, at
        if named and at != date and names[date] == "date" and names[at] == "time":
            return date, at
    return date, None


def _date_column(grid: Grid, names: list[str]) -> int:
    """The column that is called so and holds dates; else spelled dates before bare numbers that only rise or fall."""
    if grid.options.date is not None:
        return find_column(grid, "date", grid.options.date)
    ranks = known("date")
    named = sorted((at for at, name in enumerate(names) if name in ranks), key=lambda at: ranks[names[at]])
    if not named and set("ohlct") <= set(names):  # Polygon's letters
        named = [names.index("t")]
    for at in named:
        if _score(grid, at, named=True):
            return at
    others = [at for at in range(len(names)) if at not in named and not set(kinds(names[at])) - {"date"}]
    scores = {at: score for at in others or range(len(names)) if (score := _score(grid, at))}
    if scores:
        date = max(scores, key=lambda at: (scores[at], -at))
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
    likely = _likely(grid, what)
    remedy = "Pass one of these" if likely is None else f"Pass one of these, such as {name_it(what, labels[likely])}"
    raise UnreadableSource(
        f"a named column must be in the table; {shown(wanted)} is not among {column_names(grid)}. {remedy}."
    )


def _likely(grid: Grid, what: str) -> int | None:
    """The first column that could be what the caller looks for: by its name, else by its cells; None where none is."""
    said = set(grid.options.columns().values())
    free = [at for at, levels in enumerate(grid.names) if "/".join(levels) not in said]
    for at in free:
        if what in kinds(key("/".join(grid.names[at]))):
            return at
    for at in (at for at in free if _filled(grid.columns[at])):
        dates, numbers = holds_dates(grid, at), look_like_numbers(grid.columns[at])
        if dates if what == "date" else not dates and numbers is (what != "item"):
            return at
    return None


def holds_dates(grid: Grid, at: int) -> bool:
    """Whether the first cells of a column are dates."""
    return _score(grid, at) > 0


def _filled(column: Column) -> bool:
    """Whether a column has a cell that is not blank."""
    if isinstance(column, np.ndarray):
        return not bool((np.isnat(column) if column.dtype.kind == "M" else np.isnan(column)).all())
    return pc.any(pc.match_substring_regex(column, r"\S")).as_py() is True


def column_names(grid: Grid) -> str:
    """The names of the columns, for a message."""
    return listed([shown("/".join(levels)) for levels in grid.names], 12) or "no columns"


def _all_match(column: Column, pattern: str) -> bool:
    return not isinstance(column, np.ndarray) and len(column) > 0 and bool(matches(column[:_SAMPLE], pattern).all())


def _score(grid: Grid, at: int, *, named: bool = False) -> int:
    """How surely the first cells are dates: 0 is not at all.

    Numbers such as 46346, 20261120 or a count since 1970 could be prices or volumes as well: without a name they are
    dates only if nearly all steps go the same way.
    """
    head = _sample(grid.columns[at])
    if isinstance(head, np.ndarray):
        if head.dtype.kind == "M":
            return _TIMESTAMPS if _filled(grid.columns[at]) else 0
        digits, may_be = True, len(head) > 0 and bool(named or (head == np.floor(head)).all())
    else:
        digits = len(head) > 0 and bool((matches(head, _DIGITS) & ~matches(head, _NUMBERED)).mean() > 0.5)
        may_be = len(head) > 0 and bool(named or matches(head, _SPELT).mean() > 0.8)
    if not may_be or (digits and not named and not _one_way(head)):
        return 0
    score = _BARE if digits else _SPELLED
    try:
        dates = parse_dates(head, grid.names[at][0], Findings(), day_first=grid.options.day_first)
    except UnreadableSource:  # the first cells leave day and month unclear; the whole column may not
        return score
    wrong = (dates.unreadable | dates.outside).mean()
    return 0 if np.isnat(dates.stamps).all() or wrong > (0.5 if named else _UNREADABLE) else score


def _sample(column: Column) -> Column:
    """The first cells that are filled."""
    head = column[:_SAMPLE]
    if isinstance(head, np.ndarray):
        return head
    head = pc.utf8_trim_whitespace(head)
    return head.filter(pa.array(matches(head, r"(?s).")))


def _one_way(cells: Column) -> bool:
    """Whether nearly all steps between numbers go the same way, as dates do; prices and volumes go up and down."""
    with suppress(pa.ArrowInvalid):
        if isinstance(cells, np.ndarray):
            plain = cells
        else:
            digits = cells.filter(pa.array(matches(cells, _DIGITS)))  # a footnote below them is none
            plain = pc.cast(pc.replace_substring(digits, ",", "."), pa.float64())
        steps = np.diff(np.asarray(plain, dtype=np.float64))
        steps = steps[steps != 0]
        return len(steps) > 0 and bool(max((steps > 0).mean(), (steps < 0).mean()) >= _SAME_WAY)
    return False
