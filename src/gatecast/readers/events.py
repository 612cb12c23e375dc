"""Reads a source of dated events, or the event column of a price history, into checked `Events`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gatecast.errors import UnreadableSource, UsageError
from gatecast.events import EVERY_ITEM, LONGEST_KIND, Events
from gatecast.readers.cells import Grid, read_cells, text_column
from gatecast.readers.choices import ReadOptions, name_it
from gatecast.readers.date_columns import column_names, date_columns, find_column
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.headers import with_header
from gatecast.readers.names import is_weak_item, known, normalized
from gatecast.readers.numbers import read_numbers
from gatecast.readers.rows import ItemRows
from gatecast.readers.sources import open_source, whole
from gatecast.readers.workbooks import is_workbook, read_workbook
from gatecast.text import clean, counted, shown

KIND_NAMES = ("kind", "event", "event kind", "event type", "event name", "type", "category", "events")
ANNOUNCED_NAMES = (
    "announced", "announced on", "announcement", "announcement date", "announce date", "date announced", "known since",
    "known from", "declared", "declaration date",
)  # fmt: skip
VALUE_NAMES = ("value", "amount", "figure", "event value", "size")
COLUMN_NAMES = ("event", "events", "event kind", "event type")  # of a price history
# Other words for a kind that has a habit (`gatecast.events.HABITS`).
KIND_WORDS = {
    "earnings": ("earnings release", "earnings report", "earnings date", "earnings announcement", "earnings call",
                 "results", "quarterly results", "quarterly report", "annual report"),
    "dividend": ("dividends", "ex dividend", "ex date", "ex dividend date"),
    "meeting": ("fomc", "fomc meeting", "rate decision", "central bank meeting"),
    "split": ("stock split",),
    "expiry": ("expiration", "option expiry", "options expiry"),
    "holiday": ("bank holiday", "market holiday", "exchange holiday"),
}  # fmt: skip
_NONE = frozenset({"", "0", "no", "n", "false", "none", "nan", "null", "na", "n/a", "-", "--"})  # no event on the row
_MARK = frozenset({"1", "yes", "y", "true", "x"})  # an event whose kind is not told
_MOST = 1_000_000  # events
_OF_PRICES = re.compile(r"\bprices\b|\bsample:")


def read_events(
    source: object,
    *,
    date: str | None = None,
    item: str | None = None,
    kind: str | None = None,
    announced: str | None = None,
    value: str | None = None,
    sheet: str | None = None,
    day_first: bool | None = None,
) -> Events:
    """The dated events of a file (CSV, Parquet, JSON or a spreadsheet), of `-` or of a frame.

    It has a column of dates and one of kinds; where it has one of items, a row is of that item, else of every item; one
    of the days on which the dates were announced may stand beside them, and one of values that are known with them.
    Columns are known by their names (`date`, `kind`, `item`, `announced`, `value` say it where that is wrong). Of an
    event that stands twice the earlier announcement
    counts, and a note says so. Raises `UsageError` for a wrong argument, `UnreadableSource` where the source holds no
    such table or a cell that cannot be read.

    >>> import pandas as pd
    >>> read_events(pd.DataFrame({"ticker": ["KO"], "date": ["2024-02-13"], "event": ["Earnings"]}))
    Events(1: earnings of KO)
    """
    options = ReadOptions(date=date, item=item, sheet=sheet, day_first=day_first)
    findings = Findings()
    try:
        grid = _grid(source, options, findings)
    except UnreadableSource as error:
        raise UnreadableSource(_of_events(str(error))) from None
    columns = _columns(grid, kind, announced, value)
    dates, told = (_dates(grid, at) for at in (columns.date, columns.announced))
    values = _values(grid, columns.value, named=value is not None)
    kinds, items = (_texts(grid, at) for at in (columns.kind, columns.item))
    filled = ~np.isnat(dates) | np.array([text != "" for text in kinds])
    rows = []
    for row in np.flatnonzero(filled).tolist():
        if np.isnat(dates[row]) or not kinds[row]:
            missing = "a date" if np.isnat(dates[row]) else "a kind"
            raise UnreadableSource(f"an event needs {missing}; {grid.place(row)} has none. Add it or drop the row.")
        known_from = None if np.isnat(told[row]) else told[row]
        rows.append((items[row], dates[row], kind_of(kinds[row]), known_from, values[row]))
    if not rows:
        raise UnreadableSource("a source of events needs at least one row; this one has none. Add events.")
    return _once(rows, findings)


@dataclass(frozen=True)
class _Columns:
    """Positions of a grid's columns."""

    date: int
    kind: int
    item: int | None
    announced: int | None
    value: int | None


def _grid(source: object, options: ReadOptions, findings: Findings) -> Grid:
    name, content = open_source(source)
    if isinstance(content, bytes) and is_workbook(content):
        grid = read_workbook(content, shown(name), options, findings, fits=_columns)
    else:
        if options.sheet is not None:
            raise UsageError(f"a sheet is part of a spreadsheet; {shown(name)} is none. Leave out the sheet.")
        if isinstance(content, Path):
            content = whole(content, shown(name))
        grid = replace(read_cells(content, shown(name), findings), options=options)
    grid = grid if grid.names else with_header(grid)
    if len(grid) > _MOST:
        raise UnreadableSource(f"a source holds at most {_MOST:,} events; this one has {len(grid):,} rows. Split it.")
    return grid


def _of_events(refusal: str) -> str:
    """A refusal of any source, whose remedy is one for events where it was one for prices.

    >>> _of_events("'x.csv' is empty. Give a file with a header and prices.")
    "'x.csv' is empty. Give a file with the date and the kind of each event."
    """
    rule, _, remedy = refusal.rpartition(". ")
    return f"{rule}. Give a file with the date and the kind of each event." if _OF_PRICES.search(remedy) else refusal


def _columns(grid: Grid, kind: str | None = None, announced: str | None = None, value: str | None = None) -> _Columns:
    """Which column is what; raises `UnreadableSource` where one that is needed is missing."""
    names = [normalized(" ".join(levels)) for levels in grid.names]
    told = _named(grid, names, ANNOUNCED_NAMES, "announced", announced)
    others = [at for at in range(len(names)) if at != told]
    # The day of an announcement is a date, too.
    date = others[date_columns(replace(
        grid,
        names=tuple(grid.names[at] for at in others),
        columns=tuple(grid.columns[at] for at in others),
    ))[0]]  # fmt: skip
    kinds = _named(grid, names, KIND_NAMES, "kind", kind)
    if kinds is None or kinds in (date, told):
        raise UnreadableSource(
            f"events need a column of kinds, such as earnings; there is none among {column_names(grid)}. Name a column "
            "'kind'."
        )
    values = _named(grid, names, VALUE_NAMES, "value", value)
    if values is not None and values in (date, told, kinds):
        raise UnreadableSource(f"a column of values is none of dates or kinds; {shown(str(value))} is. Name another.")
    if grid.options.item is not None:
        return _Columns(date, kinds, find_column(grid, "item", grid.options.item), told, values)
    ranks = known("item")
    free = [at for at in others if at not in (date, kinds, values)]
    item = min((at for at in free if names[at] in ranks), key=lambda at: ranks[names[at]], default=None)
    if item is None:
        item = next((at for at in free if is_weak_item(" ".join(grid.names[at]))), None)
    return _Columns(date, kinds, item, told, values)


def _named(grid: Grid, names: list[str], words: Sequence[str], what: str, given: str | None) -> int | None:
    """The column that the caller named, else the first that is called so."""
    if given is not None:
        if not isinstance(given, str) or not given.strip():
            raise UsageError(
                f"{what} is a name in the source; got {given!r}. Give a text such as {name_it(what, 'Name')}."
            )
        return find_column(grid, what, given)
    ranks = [normalized(word) for word in words]
    return min(
        (at for at, name in enumerate(names) if name in ranks), key=lambda at: ranks.index(names[at]), default=None
    )


def _dates(grid: Grid, at: int | None) -> np.ndarray:
    """The days of a column, NaT where blank; refuses a cell that is no date."""
    if at is None:
        return np.full(len(grid), np.datetime64("NaT", "D"))
    name = "/".join(grid.names[at])
    dates = parse_dates(grid.columns[at], name, grid.findings, day_first=grid.options.day_first)
    bad = dates.unreadable | dates.outside
    if bad.any():
        row = int(bad.argmax())
        raise UnreadableSource(
            f"a date lies between 1800 and 2200, written as 2024-02-13; column {shown(name)} has "
            f"{grid.text(at, row)} at {grid.place(row)}. Correct it."
        )
    return dates.stamps.astype("datetime64[D]")


def _values(grid: Grid, at: int | None, *, named: bool) -> np.ndarray:
    """The numbers of a column, NaN where blank; one that was not named and holds other things is left unused."""
    if at is None:
        return np.full(len(grid), np.nan)
    numbers = read_numbers(grid, [at], set())[at]
    if not numbers.unreadable.any():
        return numbers.values
    row = int(numbers.unreadable.argmax())
    name, cell = shown("/".join(grid.names[at])), f"{grid.text(at, row)} at {grid.place(row)}"
    if named:
        raise UnreadableSource(
            f"values of events are numbers; column {name} has {cell}. Correct it, or leave it blank."
        )
    grid.findings.note(f"events: left out the values of column {name}, which are not all numbers: {cell}.")
    return np.full(len(grid), np.nan)


def _texts(grid: Grid, at: int | None) -> list[str]:
    """The cells of a column as clean text; blank where there is no column."""
    if at is None:
        return [EVERY_ITEM] * len(grid)
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        column = text_column(
            ["" if np.isnan(cell) else f"{cell:g}" if column.dtype.kind == "f" else str(cell) for cell in column]
        )
    coded = column.combine_chunks().dictionary_encode()
    words = [clean(word) for word in coded.dictionary.to_pylist()]
    return [words[code] for code in coded.indices.to_pylist()]


def kind_of(text: str) -> str:
    """The kind that a cell names: in lower case, and of several words for one kind that one.

    >>> kind_of(" Quarterly  Results"), kind_of("Product launch")
    ('earnings', 'product launch')
    """
    plain = " ".join(clean(text, LONGEST_KIND).casefold().replace("-", " ").replace("_", " ").split())
    return next((kind for kind, words in KIND_WORDS.items() if plain in words), plain)


def _once(rows: list[tuple[str, np.datetime64, str, np.datetime64 | None, float]], findings: Findings) -> Events:
    """Events of these rows; of those that stand several times the one that was announced first, and its value."""
    first: dict[tuple[str, np.datetime64, str], tuple[np.datetime64 | None, float]] = {}
    for item, date, kind, day, value in rows:
        known_from = first.setdefault((item, date, kind), (day, value))[0]
        if day is not None and (known_from is None or day < known_from):
            first[item, date, kind] = day, value
    repeated = len(rows) - len(first)
    if repeated:
        findings.note(f"events: left out {counted(repeated, 'row')}: an item, date and kind that stand there already.")
    events = Events.of_rows([(*entry, *told) for entry, told in first.items()])
    return replace(events, notes=tuple(findings.notes))


def given_events(source: object, options: ReadOptions) -> Events | None:
    """The events that a caller gave beside a source of prices, read where they are a file; None where none were given.

    Raises `UsageError` where both would be read from standard input.
    """
    if isinstance(source, str) and source == "-" == options.events:
        raise UsageError(
            "standard input is read once; it is given as prices and as events. Give one of them as a file."
        )
    given = options.events
    return given if given is None or isinstance(given, Events) else read_events(given)


def event_column(grid: Grid) -> int | None:
    """The place of the column of events among a grid's columns, or None where it has none.

    It is known by its name alone (`COLUMN_NAMES`), and no column that the caller gave another meaning.
    """
    said = {normalized(name) for name in grid.options.columns().values()}
    names = [normalized(levels[0]) if len(levels) == 1 else "" for levels in grid.names]
    words = set(map(normalized, COLUMN_NAMES)) - said
    return next((at for at, name in enumerate(names) if name in words), None) if len(names) >= 3 else None


def without_events(grid: Grid) -> tuple[Grid, list[str] | None]:
    """A grid of prices without its event column, and the cells of that column; None where it has none."""
    at = event_column(grid)
    if at is None:
        return grid, None
    rest = [place for place in range(len(grid.names)) if place != at]
    kept = replace(
        grid, names=tuple(grid.names[place] for place in rest), columns=tuple(grid.columns[place] for place in rest)
    )
    return kept, _texts(grid, at)


def column_events(items: Sequence[ItemRows], cells: Sequence[str]) -> Events | None:
    """The events of an event column: on each item's row that has one, the kind that it names; None where none has."""
    rows: dict[tuple[str, np.datetime64, str], None] = {}
    for item in items:
        for row, stamp in zip(item.rows, item.stamps.astype("datetime64[D]"), strict=True):
            word = cells[int(row)].casefold()
            if word not in _NONE:
                rows[item.item_id, stamp, "event" if word in _MARK else kind_of(word)] = None
    return Events.of_rows([(*entry, None) for entry in rows]) if rows else None
