"""From a grid to the rows of each item: timestamps and floats, without blank lines and unusable dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource, UsageError
from gatecast.notes import Note
from gatecast.prices import stamp_text
from gatecast.readers.asides import lines_without_prices
from gatecast.readers.cells import Grid, text_column
from gatecast.readers.dates import parse_dates
from gatecast.readers.layouts import MAX_ITEMS, Layout
from gatecast.readers.numbers import Numbers, read_numbers
from gatecast.text import clean, counted, listed, shown

_FEW = 0.05  # of the rows, those whose date or item is an error; more are a date or item that is not understood


@dataclass(kw_only=True)
class ItemRows:
    """An item's rows in the order of the source; NaN where a cell is blank or unreadable. `repairs` changes them."""

    item_id: str
    grid: Grid
    fields: Mapping[str, int]  # {field: column of the grid}
    rows: np.ndarray | range  # positions in the grid
    stamps: np.ndarray
    values: dict[str, np.ndarray]
    given: dict[str, np.ndarray]  # the values before any repair
    unreadable: dict[str, np.ndarray]  # cells that hold something which is no number
    notes: list[Note] = field(default_factory=list)

    def take(self, which: np.ndarray | slice) -> None:
        """Keep the rows of a mask or a slice, or put the rows in an order; without a copy where all or a slice stay."""
        if isinstance(which, slice):
            self.rows = self.rows[which]
        elif which.dtype == bool and which.all():
            return
        else:
            if isinstance(self.rows, range):
                self.rows = np.arange(self.rows.start, self.rows.stop)
            self.rows = self.rows[which]
        self.stamps = self.stamps[which]
        for name, values in self.values.items():  # one by one, so that memory holds few columns twice
            given = self.given[name]
            self.values[name] = values[which]
            self.given[name] = self.values[name] if given is values else given[which]
            self.unreadable[name] = self.unreadable[name][which]
        self.freeze()

    def freeze(self) -> None:
        """Make timestamps and values read-only, so that a series need not copy them."""
        for values in (self.stamps, *self.values.values()):
            values.flags.writeable = False

    def note(self, text: str, row: int | None = None) -> None:
        """Add a note on this item; `row` is the first that it tells of, where it is known from that day on."""
        since = "" if row is None else stamp_text(self.stamps[row])[:10]  # a daily row may lose its hour later
        self.notes.append(Note("data", text, (self.item_id,), since))

    def place(self, row: int) -> str:
        """Where a row stands in the source, and its date."""
        return f"{self.grid.place(int(self.rows[row]))} ({stamp_text(self.stamps[row])})"

    def text(self, name: str, row: int) -> str:
        """A cell as the source wrote it."""
        column = self.fields[name]
        if len(self.grid.columns[column]) == 0:
            return shown(self.given[name][row])
        return self.grid.text(column, int(self.rows[row]))

    def places(self, mask: np.ndarray) -> str:
        """Where the first rows of a mask stand."""
        return listed([self.place(row) for row in np.flatnonzero(mask).tolist()])

    def problem(
        self, bad: np.ndarray, *, rule: str, repair: str, done: str, cells: Sequence[str] = (), has: str = ""
    ) -> None:
        """Add the unsafe repair of these rows, if any, and its note; `cells` and `has` say what the first one has."""
        if not bad.any():
            return
        first, count = int(bad.argmax()), int(bad.sum())
        seen = " and ".join(f"{name} {self.text(name, first)}" for name in cells)
        culprit = f"{shown(self.item_id)} has {seen}{has} at {self.place(first)}"
        self.grid.findings.problem(rule=rule, culprit=culprit, count=count, repair=repair, rows=len(bad))
        self.note(f"repair: {done.format(rows=counted(count, 'row'))}: {self.places(bad)}.", first)


def split_items(grid: Grid, layout: Layout, today: np.datetime64) -> list[ItemRows]:
    """The rows of each item that have a usable date; raises `UnreadableSource` for a table without dates."""
    columns = [at for fields in layout.assets.values() for at in fields.values()]
    volumes = {fields["volume"] for fields in layout.assets.values() if "volume" in fields}
    numbers = read_numbers(grid, columns, volumes)
    stamps, keep = _usable_dates(grid, layout, numbers, today)
    # Numbers belong to their items alone: of rows that an item drops, and of columns that it changes, none stays.
    texts = tuple(
        np.empty(0) if isinstance(column, np.ndarray) and (column.dtype.kind == "f" or at not in columns) else column
        for at, column in enumerate(grid.columns)
    )
    groups: list[tuple[str, dict[str, int], np.ndarray | range]]
    if layout.item is None:
        kept = range(len(keep)) if keep.all() else np.flatnonzero(keep)
        if len(layout.assets) > 1 and (np.diff(stamps[kept]) < np.timedelta64(0, "ns")).any():
            grid.findings.note(f"sorted {counted(len(kept), 'row')} by date.")
            kept = np.arange(len(keep))[kept][np.argsort(stamps[kept], kind="stable")]
        groups = [(clean(item), fields, kept) for item, fields in layout.assets.items()]
    else:
        (fields,) = layout.assets.values()
        groups = [(item, fields, rows) for item, rows in _rows_by_item(grid, layout.item, keep)]
    grid = replace(grid, columns=texts)
    items = []
    for item, fields, rows in groups:
        which = slice(None) if isinstance(rows, range) else rows  # a view where all rows are kept
        values = {name: numbers[at].values[which] for name, at in fields.items()}
        items.append(
            ItemRows(
                item_id=item or "item",
                grid=grid,
                fields=fields,
                rows=rows,
                stamps=stamps[which],
                values=values,
                given=dict(values),
                unreadable={name: numbers[at].unreadable[which] for name, at in fields.items()},
            )
        )
    return items


def _rows_by_item(grid: Grid, column: int, keep: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The kept rows of each item, in the order in which items appear; rows without an item are a problem."""
    cells = grid.columns[column]
    if isinstance(cells, np.ndarray):
        cells = text_column([f"{cell:g}" if cells.dtype.kind == "f" else str(cell) for cell in cells])
    coded = cells.combine_chunks().dictionary_encode()
    ids: dict[str, int] = {}  # clean ids in order of appearance; two spellings may be one
    merged = np.array([ids.setdefault(clean(word), len(ids)) for word in coded.dictionary.to_pylist()], dtype=np.int64)
    codes = merged[coded.indices.to_numpy()]
    codes = _filled_down(grid, column, codes, ids)
    unnamed = keep & (codes == ids.get("", -1))
    blank = f"has a blank in column {shown(grid.names[column][0])}"
    _drop_rows(grid, unnamed, "every row needs an item", lambda row: f"{grid.place(row)} {blank}")
    if len(ids) > MAX_ITEMS:
        raise UnreadableSource(f"a source holds at most {MAX_ITEMS:,} items; this one has {len(ids):,}. Split it.")
    kept = np.flatnonzero(keep & ~unnamed)
    kept = kept[np.argsort(codes[kept], kind="stable")]
    ends = np.searchsorted(codes[kept], np.arange(len(ids) + 1))
    groups = [(item, kept[ends[code] : ends[code + 1]]) for item, code in ids.items()]
    return [(item, rows) for item, rows in groups if len(rows)]


def _filled_down(grid: Grid, column: int, codes: np.ndarray, ids: Mapping[str, int]) -> np.ndarray:
    """The items of rows where a report names each on the first row of its block alone: blanks repeat the name above."""
    named = codes != ids.get("", -1)
    firsts = np.flatnonzero(named)
    once = len(firsts) == len(ids) - 1  # no name stands twice
    if not once or not named[:1].all() or 2 * len(firsts) > len(codes):
        return codes
    grid.findings.note(f"column {shown(grid.names[column][0])} names an asset on its first row alone: filled it down.")
    return np.asarray(codes[firsts[np.cumsum(named) - 1]])


def _usable_dates(
    grid: Grid, layout: Layout, numbers: Mapping[int, Numbers], today: np.datetime64
) -> tuple[np.ndarray, np.ndarray]:
    """Timestamps of all rows, and which to keep: lines without prices are skipped, others need a usable date."""
    column, name = grid.columns[layout.date], grid.names[layout.date][0]
    if grid.options.day_first is not None and not grid.any_text([layout.date]):
        raise UsageError(
            f"day_first={grid.options.day_first} says how text is to be read; column {shown(name)} holds no text. "
            "Leave it out."
        )
    times = None if layout.time is None else grid.columns[layout.time]
    if isinstance(column, pa.ChunkedArray) and isinstance(times, pa.ChunkedArray):
        column = _with_time(column, times)
    dates = parse_dates(column, name, grid.findings, day_first=grid.options.day_first)
    blank = lines_without_prices(grid, layout, numbers, dates)
    unreadable = dates.unreadable & ~blank
    if int(unreadable.sum()) * 2 > int((~blank).sum()) or (blank.all() and dates.unreadable.any()):
        row = int((unreadable if unreadable.any() else dates.unreadable).argmax())
        raise UnreadableSource(
            f"a date column must hold dates; column {shown(name)} has {grid.text(layout.date, row)} "
            f"at {grid.place(row)}. Write dates as 2021-03-04."
        )

    def culprit(row: int) -> str:
        item = f" of {grid.text(layout.item, row)}" if layout.item is not None else ""
        return f"{grid.place(row)}{item} has {grid.text(layout.date, row)}"

    keep = ~blank
    for bad, rule in (
        (keep & np.isnat(dates.stamps) & ~dates.outside & ~dates.unreadable, "every row needs a date"),
        (keep & dates.unreadable, "a date must be readable"),
        (keep & dates.outside, "dates must lie between 1800 and 2200"),
        (keep & (dates.stamps >= today + 1), f"no date may be in the future (today is {today})"),
    ):
        _drop_rows(grid, bad, rule, culprit)
        keep &= ~bad
    return dates.stamps, keep


def _drop_rows(grid: Grid, bad: np.ndarray, rule: str, culprit: Callable[[int], str]) -> None:
    """Add the unsafe repair that these rows, if any, are dropped, and its note, which describes the first."""
    if bad.any():
        first, count = culprit(int(bad.argmax())), int(bad.sum())
        repair = "drop such rows"
        grid.findings.problem(rule=rule, culprit=first, count=count, repair=repair, rows=len(bad), most=_FEW)
        grid.findings.note(f"repair: dropped {counted(count, 'row')} because {rule}; the first: {first}.")


def _with_time(dates: pa.ChunkedArray, times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates and a column of times as one text: `20170103` and `220000`, or `2017-01-03` and `22:00`."""
    times = pc.utf8_trim_whitespace(times)
    times = pc.replace_substring_regex(times, r"^(\d{2})(\d{2})(\d{2})$", r"\1:\2:\3")
    times = pc.replace_substring_regex(times, r"^(\d{2})(\d{2})$", r"\1:\2")
    return pc.binary_join_element_wise(pc.utf8_trim_whitespace(dates), times, pa.scalar(" ", type=pa.large_string()))
