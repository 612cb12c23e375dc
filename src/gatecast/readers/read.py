"""Reads any price source into a checked `PriceTable`: the steps, in order."""

from __future__ import annotations

import datetime
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gatecast.calendars import open_calendar
from gatecast.errors import DataError, UnreadableSource, UsageError, check_type
from gatecast.events import Events
from gatecast.executors import give_back_memory
from gatecast.prices import PriceSeries, PriceTable
from gatecast.readers.cells import Grid, read_cells
from gatecast.readers.choices import ReadOptions
from gatecast.readers.date_parts import with_joined_dates
from gatecast.readers.events import column_events, event_column, given_events, without_events
from gatecast.readers.findings import Findings
from gatecast.readers.folders import Refused, is_folder, named_by_file, price_folder
from gatecast.readers.headers import with_header
from gatecast.readers.large import Progress, read_large
from gatecast.readers.layouts import find_layout
from gatecast.readers.repairs import repair_item
from gatecast.readers.rows import split_items
from gatecast.readers.sources import open_source, whole
from gatecast.readers.workbooks import is_workbook, read_workbook
from gatecast.text import shown


def read_prices(
    source: object,
    *,
    calendar: str | None = None,
    repair: bool = False,
    progress: Progress | None = None,
    today: datetime.date | None = None,
    date: str | None = None,
    close: str | None = None,
    open: str | None = None,
    high: str | None = None,
    low: str | None = None,
    volume: str | None = None,
    item: str | None = None,
    sheet: str | None = None,
    header: bool = True,
    day_first: bool | None = None,
    decimal: str | None = None,
    events: Events | str | Path | None = None,
) -> PriceTable:
    """The checked prices of a file, a folder, `-`, `sample:NAME`, `yahoo:TICKER`, a pandas frame or series, or a table
    of polars or pyarrow.

    A folder holds a file an asset, which the file names. A file is CSV, Parquet, JSON or a spreadsheet; of a
    spreadsheet the first sheet with prices is read, or `sheet`.
    Columns are known by their names in many languages, or by their values; `date`, `close`, `open`, `high`, `low`,
    `volume` and `item` (the column that names a row's asset) say it where that is wrong. A `close` that is named is
    forecast as it is, not adjusted by another column. `header=False`: the first line
    holds prices and columns are named "1", "2", ...; `day_first`: 03/04/2021 is 3 April; `decimal`: "." or ",".

    `events` are dated events, such as earnings, or a source of them as `read_events` takes it; a column named "event"
    beside the prices holds those of its rows.

    Safe repairs are made and noted; unsafe ones raise `UnsafeData` unless `repair`, which makes and notes
    them. `calendar` is an exchange code such as "XNYS"; `today` (default: the real date) is the last date
    that is not in the future. `progress` is called with a `ReadProgress` while a file of more than 64 MB is read.
    Raises `UsageError` for a wrong argument, `UnreadableSource` where no table can be made.

    >>> table = read_prices("sample:aapl")
    >>> table.item_ids, len(table["AAPL"])
    (('AAPL',), 3270)
    """
    options = ReadOptions(
        date=date, close=close, open=open, high=high, low=low, volume=volume, item=item,
        sheet=sheet, header=header, day_first=day_first, decimal=decimal, events=events,
    )  # fmt: skip
    return read_source(source, options, calendar=calendar, repair=repair, progress=progress, today=today)


def read_source(
    source: object,
    options: ReadOptions,
    *,
    calendar: str | None = None,
    repair: bool = False,
    progress: Progress | None = None,
    today: datetime.date | None = None,
) -> PriceTable:
    """`read_prices` with what the caller says about the source in one value."""
    events = given_events(source, options)
    options = replace(options, events=None)
    if is_folder(source):
        table = _read_folder(Path(str(source)), options, calendar=calendar, repair=repair, today=today)
    else:
        found, _ = _read_file(source, options, calendar=calendar, repair=repair, progress=progress, today=today)
        if found is None:
            raise UnreadableSource(_NO_PRICE)
        table = found
    give_back_memory()
    return table if events is None else table.with_events(events)


def read_kept(
    source: object,
    options: ReadOptions,
    *,
    calendar: str | None = None,
    repair: bool = False,
    progress: Progress | None = None,
    today: datetime.date | None = None,
) -> tuple[PriceTable | None, tuple[Refused, ...]]:
    """`read_source` of one file, without the items that it would refuse: these, with why. No table where none is left.
    Events that the options name are left to the caller, who may read a file of them once for many of prices.

    Raises `UnreadableSource` or `UnsafeData` for what is wrong with the source as a whole.
    """
    table, refused = _read_file(
        source, options, list[Refused](), calendar=calendar, repair=repair, progress=progress, today=today
    )
    if table is None and not refused:
        raise UnreadableSource(_NO_PRICE)
    return table, refused


def _read_file(
    source: object,
    options: ReadOptions,
    refused: list[Refused] | None = None,
    *,
    calendar: str | None,
    repair: bool,
    progress: Progress | None,
    today: datetime.date | None,
) -> tuple[PriceTable | None, tuple[Refused, ...]]:
    """The table of a source that is no folder, None without an item; with `refused`, items' own problems go there."""
    findings = Findings(repair=repair)
    kept = _series(source, options, findings, refused, calendar=calendar, progress=progress, today=today)
    if not repair:
        findings.refuse()
    table = PriceTable(series=kept, calendar=calendar, notes=tuple(findings.notes)) if kept else None
    return table, tuple(refused or ())


def layout_names(frame: pd.DataFrame, name: str, options: ReadOptions) -> dict[str, str]:
    """Of a frame the names of the columns that hold dates and items, by `date` and `item`, where there are such."""
    grid = with_joined_dates(_grid(frame, shown(name), options, None, Findings()))
    layout = find_layout(grid, name)
    places = {"date": layout.date, "item": layout.item}
    return {what: grid.names[at][0] for what, at in places.items() if at is not None}


_NO_PRICE = "a table needs at least one row with a date and a price; this one has none. Add prices."


def _read_folder(
    folder: Path, options: ReadOptions, *, calendar: str | None, repair: bool, today: datetime.date | None
) -> PriceTable:
    """The assets of a folder's files as one table; raises for the first file that cannot be used."""
    found = price_folder(folder)
    if found.refused:
        raise UnreadableSource(found.refused[0].reason)
    series = []
    for item, path in found.files.items():
        table = read_source(path, options, calendar=calendar, repair=repair, today=today)
        series.append(named_by_file(table, item, path))
    return PriceTable(series=tuple(series), calendar=calendar)


def _series(
    source: object,
    options: ReadOptions,
    findings: Findings,
    refused: list[Refused] | None = None,
    *,
    calendar: str | None,
    progress: Progress | None,
    today: datetime.date | None,
) -> tuple[PriceSeries, ...]:
    """The series of a source that is no folder; with `refused`, an item's own problems are put there."""
    if calendar is not None:
        check_type("calendar", calendar, str, 'Give for example calendar="XNYS".')
        open_calendar(calendar)
    check_type("repair", findings.repair, bool, "Give repair=True or leave it out.")
    if today is not None:
        check_type("today", today, datetime.date, "Give a datetime.date.")
    name, grid = _named_grid(source, options, progress, findings)
    # The later of the dates here and in Greenwich, so that no row of today counts as future.
    today = today or max(datetime.date.today(), datetime.datetime.now(datetime.UTC).date())
    grid, marks = without_events(grid)
    items = split_items(grid, find_layout(grid, name), np.datetime64(today, "D"))
    events = None if marks is None else column_events(items, marks)
    del grid  # so that what an item drops is given back
    kept = []
    for item in items:
        before = len(findings.problems)
        series = repair_item(item, calendar)
        own = findings.problems[before:]
        if refused is not None and own and not findings.repair:
            del findings.problems[before:]
            refused.append(Refused(item.item_id, own[0]))
        elif refused is not None and series is None:
            refused.append(Refused(item.item_id, f"{shown(item.item_id)} has no price. Add prices, or leave it out."))
        elif series is not None:
            kept.append(series)
    findings.note_days_without_trade()
    if findings.without_trade:  # whose note tells of rows before a first price as well
        kept = [
            replace(series, notes=tuple(note for note in series.notes if note not in findings.not_yet))
            for series in kept
        ]
    return tuple(_with_own(series, events) for series in kept)


def _with_own(series: PriceSeries, events: Events | None) -> PriceSeries:
    """A series with its own of some events."""
    own = None if events is None else events.of(series.item_id)
    return series if own is None else replace(series, events=own)


@dataclass(frozen=True, kw_only=True)
class ColumnUse:
    """A column of a source: what it was taken for ("date", "close", "item", ...), of which item; None: for nothing."""

    name: str
    used_as: str | None = None
    item_id: str | None = None


def column_uses(source: object, options: ReadOptions) -> tuple[ColumnUse, ...]:
    """The columns of a source in their order, with what `read_source` takes them for; where it refuses, for nothing.

    Raises `GatecastError` where not even columns can be told.
    """
    name, grid = _named_grid(source, options, None, Findings(repair=True))
    marks = event_column(grid)
    places = [at for at in range(len(grid.names)) if at != marks]  # in the grid, of what is left without the events
    used = {} if marks is None else {marks: ColumnUse(name="", used_as="events")}
    with suppress(DataError, UsageError):
        layout = find_layout(without_events(grid)[0], name)
        for item_id, fields in layout.assets.items():
            for field, at in fields.items():
                own = item_id if len(layout.assets) > 1 else None
                used[places[at]] = ColumnUse(name="", used_as=field, item_id=own)
        for what, place in (("item", layout.item), ("date", layout.time), ("date", layout.date)):
            if place is not None:
                used[places[place]] = ColumnUse(name="", used_as=what)
    names = (" ".join(filter(None, words)) for words in grid.names)
    return tuple(replace(used.get(at, ColumnUse(name="")), name=text) for at, text in enumerate(names))


def _named_grid(
    source: object, options: ReadOptions, progress: Progress | None, findings: Findings
) -> tuple[str, Grid]:
    """The name of the item where no column names one, and the cells under the names of their columns."""
    name, content = open_source(source)
    grid = _grid(content, shown(name), options, progress, findings)
    if not grid.names:
        grid = with_header(grid)
    return name, with_joined_dates(grid)


def _grid(
    content: bytes | pd.DataFrame | Path, name: str, options: ReadOptions, progress: Progress | None, findings: Findings
) -> Grid:
    """The cells of a workbook, a large file or anything else."""
    if isinstance(content, bytes) and is_workbook(content):
        return read_workbook(content, name, options, findings)
    if options.sheet is not None:
        raise UsageError(f"a sheet is part of a spreadsheet; {name} is none. Leave out the sheet.")
    if isinstance(content, Path):
        large = read_large(content, name, options, findings, progress)
        if large is not None:
            return large
        content = whole(content, name)
    grid = replace(read_cells(content, name, findings), options=options)
    if grid.names and not options.header:
        raise UsageError(f"header=False is for columns that have no names; those of {name} have. Leave it out.")
    return grid
