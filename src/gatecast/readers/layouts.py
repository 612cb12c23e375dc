"""Which columns of a grid are dates, items, prices and volume, by name and by shape: a long or a wide layout."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.choices import name_it
from gatecast.readers.date_columns import date_columns, find_column
from gatecast.readers.fields import Assets, Fields, fields_by_name, note_ignored, refuse_without_close
from gatecast.readers.findings import Findings
from gatecast.readers.items import is_decimal, item_column, refuse_mixed_assets
from gatecast.readers.names import FIELDS, is_previous, key, kinds
from gatecast.readers.numbers import holds_percentages, look_like_numbers
from gatecast.readers.shapes import (
    MOST_BY_SHAPE,
    SAMPLE_ROWS,
    forward,
    prices_by_shape,
    repeats_close,
    take_sample,
    volume_by_shape,
)
from gatecast.readers.wide import flattened, two_levels, wide
from gatecast.text import listed, shown

MAX_ITEMS = 10_000


@dataclass(frozen=True)
class Layout:
    """Positions of a grid's columns; `assets` has a single entry where an item column divides the rows."""

    date: int
    time: int | None
    item: int | None
    assets: Assets


def find_layout(grid: Grid, name: str) -> Layout:
    """The layout of a grid; `name` is that of its item where no column names items.

    Raises `UnreadableSource` where a date or price column is missing.
    """
    try:
        date, time = date_columns(grid)
    except UnreadableSource:
        _refuse_without_header(grid)
        raise
    rest = [at for at in range(len(grid.names)) if at not in (date, time)]
    if any(len(grid.names[at]) > 1 for at in rest):
        item, assets = None, two_levels(grid, rest)
    else:
        item, assets = _one_level(grid, [date] if time is None else [date, time], rest, name)
    if len(assets) > MAX_ITEMS:
        raise UnreadableSource(f"a source holds at most {MAX_ITEMS:,} items; this one has {len(assets):,}. Split it.")
    return Layout(date, time, item, assets)


def _one_level(grid: Grid, times: list[int], rest: list[int], name: str) -> tuple[int | None, Assets]:
    """The item column, if any, and the assets of a grid with one name per column."""
    chosen = {
        field: find_column(grid, field, column)
        for field, column in grid.options.columns().items()
        if field not in ("date", "item")
    }
    rest = _without_percentages(grid, rest, chosen)
    names = {at: key(grid.names[at][0]) for at in rest}
    fields = fields_by_name(grid, names, chosen)
    if "close" not in fields and (flat := flattened(grid, rest)):
        return None, flat
    fields = _completed_by_shape(grid, times, rest, fields)
    item = item_column(grid, times, fields, rest)
    if "close" not in fields:
        if item is None and grid.options.header:
            _refuse_without_header(grid)
            return None, wide(grid, times, rest, fields)
        fields["close"] = _only_number(grid, [at for at in rest if at != item and at not in fields.values()])
    if item is not None and set(fields) == {"close"}:
        _refuse_fields_as_items(grid, item)
    if item is None:
        refuse_mixed_assets(grid, times, fields["close"], [at for at in rest if at not in fields.values()])
    taken = {names[at] for at in fields.values() if at in names}  # a second column of a name has its own note
    note_ignored(grid, [at for at in rest if at != item and at not in fields.values() and names[at] not in taken])
    return item, {name: fields}


def _refuse_fields_as_items(grid: Grid, item: int) -> None:
    """Refuse rows of a field each: `2024-01-02,open,185.6`."""
    column = grid.columns[item]
    if isinstance(column, np.ndarray):
        return
    cells = sorted(filter(None, pc.unique(column).to_pylist()[:20]))
    meanings = [set(kinds(key(cell))) & set(FIELDS) for cell in cells]
    if len(cells) > 1 and all(meanings) and any("close" in meaning for meaning in meanings):
        label = grid.names[item][0]
        raise UnreadableSource(
            f"open, high, low and close need a column each; column {shown(label)} holds {listed(cells, 5)}. In pandas: "
            f'frame.pivot(index="DATE", columns="{label}", values="VALUE").'
        )


def _without_percentages(grid: Grid, rest: list[int], chosen: Fields) -> list[int]:
    """The columns without those of percentages, which a note names; a column whose name is known keeps its meaning."""
    percentages = [
        at
        for at in rest
        if at not in chosen.values()
        and (label := grid.names[at][0])
        and not kinds(key(label))
        and holds_percentages(label, grid.columns[at])
    ]
    if percentages:
        labels = listed([shown(grid.names[at][0]) for at in percentages], 6)
        grid.findings.note(f"ignored columns of percentages: {labels}.")
    return [at for at in rest if at not in set(percentages)]


def _refuse_without_header(grid: Grid) -> None:
    """Refuse a table without a header whose columns are not known by their values."""
    if grid.headed or not grid.options.header:
        return
    first = shown(grid.columns[0][0].as_py())
    if len(grid.names) == 1:
        raise UnreadableSource(
            "a table needs a column of dates and one of prices; this one has a single column, which begins with "
            f"{first}. Give both, separated by commas."
        )
    prices = [at for at in range(1, len(grid.names)) if look_like_numbers(grid.columns[at])]
    # Of open, high, low and close the fourth; else a volume follows the close.
    likely = grid.names[prices[3 if len(prices) > 3 else 0] if prices else 0][0]
    raise UnreadableSource(
        f"a table needs a header; the first line holds {first}. Add a header such as date,close, or pass "
        f"header=False with {name_it('date', '1')} and {name_it('close', likely)}."
    )


def _completed_by_shape(grid: Grid, times: list[int], rest: list[int], fields: Fields) -> Fields:
    """The fields with those that only the columns' values tell; each is noted."""
    missing = {"open", "high", "low", "close"} - set(fields)
    labels = {at: grid.names[at][0] for at in rest if at not in fields.values()}
    unknown = [at for at, label in labels.items() if not kinds(key(label)) and not is_previous(label)]
    if not missing or len(unknown) < len(missing) or len(unknown) > 2 * MOST_BY_SHAPE:
        return fields
    columns = [at for at in (*fields.values(), *unknown) if look_like_numbers(grid.columns[at])]
    if not len(missing) <= len(columns) <= MOST_BY_SHAPE:
        return fields
    rows = np.arange(len(grid))
    with suppress(UnreadableSource):
        item = item_column(
            replace(grid, findings=Findings()), times, fields, [at for at in rest if not is_decimal(grid, at)]
        )
        if item is not None:
            cells = np.asarray(grid.columns[item])
            rows = np.flatnonzero(cells == cells[0])
    ahead = forward(grid, times)
    for part in (rows[:SAMPLE_ROWS], rows[-SAMPLE_ROWS:]):  # old rows may be coarse, or hold a close alone
        sample = take_sample(grid, columns, part, ahead)
        found = prices_by_shape(sample, fields)
        if found is not None:
            break
    else:
        return fields
    if missing == {"open"} and repeats_close(sample, found):
        return fields  # a column of the close before
    added = {name: at for name, at in found.items() if name not in fields}
    if "volume" not in fields and (volume := volume_by_shape(sample, found)) is not None:
        added["volume"] = volume
    order = [name for name in ("open", "high", "low", "close", "volume") if name in added]
    what = ", ".join(f"{shown(grid.names[added[name]][0])} as {name}" for name in order)
    where = "" if grid.headed and grid.options.header else "there is no header; "
    remedy = ""
    if {"open", "close"} <= set(added):
        other = grid.names[found["open"]][0]
        remedy = f"; if {shown(other)} is the close, pass {name_it('close', other)}"
    grid.findings.note(f"{where}took column {what} by their values{remedy}.")
    return {**fields, **added}


def _only_number(grid: Grid, columns: list[int]) -> int:
    """The only column of numbers that has no other meaning."""
    numeric = [at for at in columns if look_like_numbers(grid.columns[at]) and grid.names[at][0] != grid.options.item]
    if len(numeric) != 1:
        refuse_without_close(grid, numeric)
    grid.findings.note(f"took column {shown(grid.names[numeric[0]][0])} as close.")
    return numeric[0]
