"""The door: any price source in, a checked `PriceTable` out, with a note for all that was done on the way."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.calendars import off_calendar, open_calendar
from gatecast.errors import UnreadableSource
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, stamp_text
from gatecast.readers.cells import MAX_ROWS, Grid, from_bytes, from_frame
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings, Problem
from gatecast.readers.layouts import MAX_ITEMS, Layout, find_layout, with_header
from gatecast.readers.numbers import Numbers, read_numbers
from gatecast.readers.repairs import RawItem, mend
from gatecast.readers.sources import is_parquet, open_source, read_parquet
from gatecast.text import clean, counted, shown

__all__ = ["read_prices"]


def read_prices(
    source: str | Path | pd.DataFrame | pd.Series,
    *,
    calendar: str | None = None,
    repair: bool = False,
    today: datetime.date | None = None,
) -> PriceTable:
    """The checked prices of a file, `-`, `sample:NAME`, `yahoo:TICKER`, or a pandas frame or series.

    Safe repairs are made and noted; unsafe ones raise `UnsafeData` unless `repair`, which makes and notes
    them. `calendar` is an exchange code such as "XNYS"; `today` (default: the real date) is the last date
    that is not in the future. Raises `UsageError` for a wrong argument, `UnreadableSource` where no table
    can be made.

    >>> table = read_prices("sample:aapl")
    >>> table.item_ids, len(table["AAPL"])
    (('AAPL',), 3270)
    """
    if calendar is not None:
        open_calendar(calendar)
    findings = Findings()
    origin = open_source(source)
    content = origin.content
    if isinstance(content, bytes) and is_parquet(content):
        content = read_parquet(content, shown(origin.name), MAX_ROWS)
    if isinstance(content, bytes):
        grid = with_header(from_bytes(content, shown(origin.name), findings), findings)
    else:
        grid = from_frame(content)
    layout = find_layout(grid, origin.name, findings)
    items = _items(grid, layout, findings, np.datetime64(today or _today(), "D"))
    mended = (mend(item, grid, findings) for item in items)
    series = tuple(_on_calendar(one, calendar) for one in mended if one is not None)
    if not repair:
        findings.refuse()
    if not series:
        raise UnreadableSource(
            "a table needs at least one row with a date and a price; this one has none. Add prices."
        )
    return PriceTable(
        series=series, calendar=calendar, notes=tuple(Note("data", text) for text in findings.notes)
    )


def _today() -> datetime.date:
    """The date here or in Greenwich, whichever is later: no bar of today is in the future."""
    return max(datetime.date.today(), datetime.datetime.now(datetime.UTC).date())


def _on_calendar(one: PriceSeries, calendar: str | None) -> PriceSeries:
    if calendar is None:
        return one
    off = off_calendar(one.timestamps, calendar)
    if not off.any():
        return one
    first = stamp_text(one.timestamps[int(off.argmax())])
    count = int(off.sum())
    verb = "lies" if count == 1 else "lie"
    note = f"{counted(count, 'row')} {verb} on no session of {calendar}, the first on {first}."
    return _with_note(one, note)


def _with_note(one: PriceSeries, text: str) -> PriceSeries:
    note = Note("data", text, (one.item_id,))
    return PriceSeries(
        item_id=one.item_id, timestamps=one.timestamps, **one.columns(), notes=(*one.notes, note)
    )


def _items(grid: Grid, layout: Layout, findings: Findings, today: np.datetime64) -> list[RawItem]:
    """The grid's rows item by item, with rows left out that have no usable date."""
    fields = layout.assets[0][1]
    wanted = [at for _, one in layout.assets for at in one.values()]
    volumes = {one["volume"] for _, one in layout.assets if "volume" in one}
    numbers = read_numbers(grid, wanted, volumes, findings)
    stamps, keep = _dates(grid, layout, numbers, findings, today)
    if layout.item is None:
        rows = np.flatnonzero(keep)
        return [_item(clean(item), one, numbers, stamps, rows) for item, one in layout.assets]
    ids, codes = _item_codes(grid, layout.item)
    unnamed = keep & (codes == ids.get("", -1))
    if unnamed.any():
        place = grid.place(int(unnamed.argmax()))
        findings.problems.append(
            Problem(
                rule="a row must name its item",
                culprit=f"{place} has a blank in column {shown(grid.names[layout.item][0])}",
                count=int(unnamed.sum()),
                repair="drop such rows",
            )
        )
        findings.notes.append(f"repair: dropped {counted(int(unnamed.sum()), 'row')} without an item.")
        keep &= ~unnamed
    if len(ids) > MAX_ITEMS:
        raise UnreadableSource(
            f"a source holds at most {MAX_ITEMS:,} items; this one has {len(ids):,}. Split it."
        )
    kept = np.flatnonzero(keep)
    kept = kept[np.argsort(codes[kept], kind="stable")]
    ends = np.searchsorted(codes[kept], np.arange(len(ids) + 1))
    groups = {item: kept[ends[code] : ends[code + 1]] for item, code in ids.items()}
    return [_item(item, fields, numbers, stamps, rows) for item, rows in groups.items() if item and len(rows)]


def _item_codes(grid: Grid, at: int) -> tuple[dict[str, int], np.ndarray]:
    """Clean item ids in order of appearance, each with its code, and the code of every row."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        words = [f"{cell:g}" if column.dtype.kind == "f" else str(cell) for cell in column]
        column = pa.chunked_array([pa.array(words, type=pa.large_string())])
    coded = column.combine_chunks().dictionary_encode()
    ids: dict[str, int] = {}
    merged = np.array(
        [ids.setdefault(clean(word), len(ids)) for word in coded.dictionary.to_pylist()], dtype=np.int64
    )
    return ids, merged[coded.indices.to_numpy()]


def _item(
    item_id: str, fields: dict[str, int], numbers: dict[int, Numbers], stamps: np.ndarray, rows: np.ndarray
) -> RawItem:
    return RawItem(
        item_id=item_id,
        stamps=stamps[rows],
        values={name: numbers[at].values[rows] for name, at in fields.items()},
        unreadable={name: numbers[at].unreadable[rows] for name, at in fields.items()},
        rows=rows,
        fields=fields,
    )


def _dates(
    grid: Grid, layout: Layout, numbers: dict[int, Numbers], findings: Findings, today: np.datetime64
) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps of all rows, and which to keep: an unusable date is a problem, a blank line is none."""
    column = grid.columns[layout.date]
    name = grid.names[layout.date][0]
    if layout.time is not None and not isinstance(column, np.ndarray):
        column = _with_clock(column, grid.columns[layout.time])
    dates = parse_dates(column, name)
    findings.notes.extend(dates.notes)
    filled = np.zeros(len(grid), dtype=bool)
    for one in numbers.values():
        filled |= ~np.isnan(one.values) | one.unreadable
    blank_date = np.isnat(dates.stamps) & ~dates.outside
    if int(dates.unreadable.sum()) * 2 > len(grid):
        row = int(dates.unreadable.argmax())
        raise UnreadableSource(
            f"a date column must hold dates; column {shown(name)} has {grid.text(layout.date, row)} "
            f"at {grid.place(row)}. Write dates as 2021-03-04."
        )
    keep = np.ones(len(grid), dtype=bool)
    footer = blank_date & ~filled
    if footer.any():
        keep &= ~footer
        findings.notes.append(f"skipped {counted(int(footer.sum()), 'line')} without a date or price.")
    future = dates.stamps.astype("datetime64[D]") > today
    for bad, rule in (
        (keep & blank_date & ~dates.unreadable, "every row needs a date"),
        (keep & dates.unreadable, "a date must be readable"),
        (keep & dates.outside, "dates lie between 1800 and 2200"),
        (keep & future, f"prices can't lie in the future (today is {today})"),
    ):
        keep &= ~bad
        _bad_dates(grid, layout, bad, rule, findings)
    return dates.stamps, keep


def _bad_dates(grid: Grid, layout: Layout, bad: np.ndarray, rule: str, findings: Findings) -> None:
    if not bad.any():
        return
    row, count = int(bad.argmax()), int(bad.sum())
    whose = f" of {grid.text(layout.item, row)}" if layout.item is not None else ""
    what = f"{grid.place(row)}{whose} has {grid.text(layout.date, row)}"
    findings.problems.append(Problem(rule=rule, culprit=what, count=count, repair="drop such rows"))
    findings.notes.append(f"repair: dropped {counted(count, 'row')} because {rule}; the first: {what}.")


def _with_clock(dates: pa.ChunkedArray, clock: object) -> pa.ChunkedArray:
    """Dates and a column of times as one text: `20170103` and `220000`, or `2017-01-03` and `22:00`."""
    if not isinstance(clock, pa.ChunkedArray):
        return dates
    spaced = pc.replace_substring_regex(
        pc.utf8_trim_whitespace(clock), r"^(\d{2})(\d{2})(\d{2})$", r"\1:\2:\3"
    )
    spaced = pc.replace_substring_regex(spaced, r"^(\d{2})(\d{2})$", r"\1:\2")
    return pc.binary_join_element_wise(
        pc.utf8_trim_whitespace(dates), spaced, pa.scalar(" ", type=pa.large_string())
    )
