"""From a grid to the rows of each item: timestamps and floats, without blank lines and unusable dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.notes import Note
from gatecast.prices import stamp_text
from gatecast.readers.cells import Grid
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings, Problem
from gatecast.readers.layouts import MAX_ITEMS, Layout
from gatecast.readers.numbers import Numbers, read_numbers
from gatecast.text import clean, counted, listed, shown


@dataclass(kw_only=True)
class ItemRows:
    """An item's rows in the order of the source; NaN where a cell is blank or unreadable. `repairs` changes them."""

    item_id: str
    grid: Grid
    findings: Findings
    fields: Mapping[str, int]  # {field: column of the grid}
    rows: np.ndarray  # positions in the grid
    stamps: np.ndarray
    values: dict[str, np.ndarray]
    unreadable: dict[str, np.ndarray]  # cells that hold something which is no number
    notes: list[Note] = field(default_factory=list)

    def take(self, which: np.ndarray) -> None:
        """Keep the rows of a mask, or put the rows in an order."""
        self.stamps, self.rows = self.stamps[which], self.rows[which]
        self.values = {name: values[which] for name, values in self.values.items()}
        self.unreadable = {name: unreadable[which] for name, unreadable in self.unreadable.items()}

    def note(self, text: str) -> None:
        """Add a note on this item."""
        self.notes.append(Note("data", text, (self.item_id,)))

    def cell(self, name: str, row: int) -> str:
        """A cell as the source wrote it."""
        return self.grid.text(self.fields[name], int(self.rows[row]))

    def place(self, row: int) -> str:
        """Where a row stands in the source, and its date."""
        return f"{self.grid.place(int(self.rows[row]))} ({stamp_text(self.stamps[row])})"

    def places(self, mask: np.ndarray) -> str:
        """Where the first rows of a mask stand."""
        return listed([self.place(row) for row in np.flatnonzero(mask).tolist()])

    def problem(self, bad: np.ndarray, *, rule: str, has: str, repair: str, done: str) -> None:
        """Add an unsafe repair of these rows, and the note that it was made."""
        culprit = f"{shown(self.item_id)} has {has} at {self.place(int(bad.argmax()))}"
        count = int(bad.sum())
        self.findings.problems.append(Problem(rule=rule, culprit=culprit, count=count, repair=repair))
        self.note(f"repair: {done.format(rows=counted(count, 'row'))}: {self.places(bad)}.")


def split_items(grid: Grid, layout: Layout, findings: Findings, today: np.datetime64) -> list[ItemRows]:
    """The rows of each item that have a usable date; raises `UnreadableSource` for a table without dates."""
    columns = [at for _, fields in layout.assets for at in fields.values()]
    volumes = {fields["volume"] for _, fields in layout.assets if "volume" in fields}
    numbers = read_numbers(grid, columns, volumes, findings)
    stamps, keep = _usable_dates(grid, layout, numbers, findings, today)
    if layout.item is None:
        rows = np.flatnonzero(keep)
        groups = [(clean(item), fields, rows) for item, fields in layout.assets]
    else:
        fields = layout.assets[0][1]
        groups = [(item, fields, rows) for item, rows in _rows_by_item(grid, layout.item, keep, findings)]
    return [
        ItemRows(
            item_id=item or "item",
            grid=grid,
            findings=findings,
            fields=fields,
            rows=rows,
            stamps=stamps[rows],
            values={name: numbers[at].values[rows] for name, at in fields.items()},
            unreadable={name: numbers[at].unreadable[rows] for name, at in fields.items()},
        )
        for item, fields, rows in groups
    ]


def _rows_by_item(grid: Grid, column: int, keep: np.ndarray, findings: Findings) -> list[tuple[str, np.ndarray]]:
    """The kept rows of each item, in the order in which items appear; rows without an item are a problem."""
    ids, codes = _item_codes(grid, column)
    unnamed = keep & (codes == ids.get("", -1))
    if unnamed.any():
        place = grid.place(int(unnamed.argmax()))
        culprit = f"{place} has a blank in column {shown(grid.names[column][0])}"
        _drop_rows(unnamed, "every row needs an item", culprit, findings)
    if len(ids) > MAX_ITEMS:
        raise UnreadableSource(f"a source holds at most {MAX_ITEMS:,} items; this one has {len(ids):,}. Split it.")
    kept = np.flatnonzero(keep & ~unnamed)
    kept = kept[np.argsort(codes[kept], kind="stable")]
    ends = np.searchsorted(codes[kept], np.arange(len(ids) + 1))
    groups = [(item, kept[ends[code] : ends[code + 1]]) for item, code in ids.items()]
    return [(item, rows) for item, rows in groups if len(rows)]


def _item_codes(grid: Grid, at: int) -> tuple[dict[str, int], np.ndarray]:
    """Clean item ids in order of appearance, each with its code, and the code of every row."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        words = [f"{cell:g}" if column.dtype.kind == "f" else str(cell) for cell in column]
        column = pa.chunked_array([pa.array(words, type=pa.large_string())])
    coded = column.combine_chunks().dictionary_encode()
    ids: dict[str, int] = {}
    merged = np.array([ids.setdefault(clean(word), len(ids)) for word in coded.dictionary.to_pylist()], dtype=np.int64)
    return ids, merged[coded.indices.to_numpy()]


def _usable_dates(
    grid: Grid, layout: Layout, numbers: Mapping[int, Numbers], findings: Findings, today: np.datetime64
) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps of all rows, and which to keep: blank lines are skipped, other rows need a usable date."""
    column = grid.columns[layout.date]
    name = grid.names[layout.date][0]
    if layout.time is not None and not isinstance(column, np.ndarray):
        column = _with_time(column, grid.columns[layout.time])
    dates = parse_dates(column, name, findings)
    if int(dates.unreadable.sum()) * 2 > len(grid):
        row = int(dates.unreadable.argmax())
        raise UnreadableSource(
            f"a date column must hold dates; column {shown(name)} has {grid.text(layout.date, row)} "
            f"at {grid.place(row)}. Write dates as 2021-03-04."
        )
    filled = np.zeros(len(grid), dtype=bool)
    for number in numbers.values():
        filled |= ~np.isnan(number.values) | number.unreadable
    dateless = np.isnat(dates.stamps) & ~dates.outside
    blank = dateless & ~filled  # blank lines, and words under the table
    if blank.any():
        findings.note(f"skipped {counted(int(blank.sum()), 'line')} without a date or price.")
    keep = ~blank
    for bad, rule in (
        (keep & dateless & ~dates.unreadable, "every row needs a date"),
        (keep & dates.unreadable, "a date must be readable"),
        (keep & dates.outside, "dates must lie between 1800 and 2200"),
        (keep & (dates.stamps.astype("M8[D]") > today), f"no date may be in the future (today is {today})"),
    ):
        if bad.any():
            row = int(bad.argmax())
            item = f" of {grid.text(layout.item, row)}" if layout.item is not None else ""
            culprit = f"{grid.place(row)}{item} has {grid.text(layout.date, row)}"
            _drop_rows(bad, rule, culprit, findings)
            keep &= ~bad
    return dates.stamps, keep


def _drop_rows(bad: np.ndarray, rule: str, culprit: str, findings: Findings) -> None:
    """Add the unsafe repair that these rows are dropped, and its note."""
    count = int(bad.sum())
    findings.problems.append(Problem(rule=rule, culprit=culprit, count=count, repair="drop such rows"))
    findings.note(f"repair: dropped {counted(count, 'row')} because {rule}; the first: {culprit}.")


def _with_time(dates: pa.ChunkedArray, times: object) -> pa.ChunkedArray:
    """Dates and a column of times as one text: `20170103` and `220000`, or `2017-01-03` and `22:00`."""
    if not isinstance(times, pa.ChunkedArray):
        return dates
    times = pc.utf8_trim_whitespace(times)
    times = pc.replace_substring_regex(times, r"^(\d{2})(\d{2})(\d{2})$", r"\1:\2:\3")
    times = pc.replace_substring_regex(times, r"^(\d{2})(\d{2})$", r"\1:\2")
    return pc.binary_join_element_wise(pc.utf8_trim_whitespace(dates), times, pa.scalar(" ", type=pa.large_string()))
