"""Which column names the asset of each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.blocks import asset_of_blocks
from gatecast.readers.cells import Column, Grid, matches
from gatecast.readers.choices import name_it
from gatecast.readers.date_columns import find_column, holds_dates
from gatecast.readers.names import is_no_item, is_weak_item, key, known
from gatecast.text import shown

_ERRORS = 0.1  # of the rows, those that repeat an earlier date
_ENOUGH_ROWS = 10  # that two rows of an asset are to be expected
_OTHER_ASSETS = 0.5  # of the rows, those on a date that has another close as well; fewer are errors of one asset


def item_column(grid: Grid, times: list[int], fields: Mapping[str, int], rest: list[int]) -> int | None:
    """The column that names the asset of a row, or None where the rows are of one asset.

    Where dates repeat, it is the column that tells their rows apart, whatever its name.
    """
    if grid.options.item is not None:
        return _chosen_item(grid, times, grid.options.item)
    names = {at: grid.names[at][0] for at in rest if at not in fields.values()}
    ranks = known("item")
    strong = sorted((at for at in names if key(names[at]) in ranks), key=lambda at: ranks[key(names[at])])
    moments = _codes(grid, times)
    repeated = len(grid) - _distinct(moments)
    if strong and not repeated:
        return strong[0]
    weak = [at for at in names if at not in strong and is_weak_item(names[at])]
    # A column of any name needs more than the few repeated dates that are errors of one asset.
    others = [at for at in names if at not in strong + weak and not is_no_item(names[at])]
    others.sort(key=lambda at: isinstance(grid.columns[at], np.ndarray) or _whole_numbers(grid.columns[at]))
    many = repeated > _ERRORS * len(grid)
    for at in (*strong, *weak, *(others if many else [])) if repeated else ():
        left = _repeats(moments, _codes(grid, [at]))
        if at in strong and left < 0.5 * repeated:
            return at
        if left < 0.02 * repeated and _names_assets(grid, at, named=at in weak):
            grid.findings.note(
                f"took column {shown(names[at])} as the asset: dates repeat, and it tells their rows apart."
            )
            return at
    return strong[0] if strong else None if many else asset_of_blocks(grid, times[0], weak + others)


def _chosen_item(grid: Grid, times: list[int], name: str) -> int:
    """The column that the caller named; raises `UnreadableSource` where it can't name the asset of rows."""
    at = find_column(grid, "item", name)
    if at in times:
        raise UnreadableSource(
            f"one column can't hold both dates and assets; {shown(name)} was given as the item. "
            "Pass another column, or leave it out."
        )
    assets = _distinct(_codes(grid, [at]))
    if 2 * assets > len(grid) >= _ENOUGH_ROWS:
        raise UnreadableSource(
            f"an asset has many rows; column {shown(name)}, given as the item, has {assets:,} different cells in "
            f"{len(grid):,} rows. Pass another column, or leave it out."
        )
    return at


def refuse_mixed_assets(grid: Grid, times: list[int], close: int, rest: list[int]) -> None:
    """Refuse rows of several assets without a column that tells them apart: `repair` would keep one asset's rows."""
    moments = _codes(grid, times)
    if 2 * (len(grid) - _distinct(moments)) <= _OTHER_ASSETS * len(grid):  # more rows can't clash
        return
    pairs = np.unique(np.stack([moments, _codes(grid, [close])]), axis=1)[0]
    dates, count = np.unique(pairs, return_counts=True)
    clashing = np.isin(moments, dates[count > 1])
    if clashing.mean() <= _OTHER_ASSETS or not holds_dates(grid, times[0]):  # what is no date is refused later
        return
    row = int(clashing.argmax())
    rows = int((moments == moments[row]).sum())
    left = {at: _repeats(moments, _codes(grid, [at])) for at in rest if at != close and not is_decimal(grid, at)}
    remedy = "Add one"
    if left:
        likely = grid.names[min(left, key=lambda at: left[at])][0]
        hours = f"; if {shown(likely)} is a time of day, write it into the date" if is_no_item(likely) else ""
        remedy += f", or pass {name_it('item', likely)}{hours}"
    raise UnreadableSource(
        f"rows of several assets need a column that names the asset; {grid.text(times[0], row)} has {rows} rows with "
        f"different prices, and no column is known to name it. {remedy}."
    )


def is_decimal(grid: Grid, at: int) -> bool:
    """Whether cells are numbers with decimals, which name no asset."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "f" and not bool((column == np.floor(column)).all())
    return bool(matches(column[:1000], r"\d[.,]\d").mean() > 0.5)


def _codes(grid: Grid, columns: list[int]) -> np.ndarray:
    """A number from 0 for each distinct content of the cells of a row."""
    codes: np.ndarray | None = None
    for at in columns:
        column = grid.columns[at]
        if isinstance(column, np.ndarray):
            part = _ranks(column)
        else:
            text = pc.utf8_trim_whitespace(column).combine_chunks()
            part = text.dictionary_encode().indices.to_numpy().astype(np.int64)
        codes = part if codes is None else _ranks(codes * _distinct(part) + part)
    return np.zeros(len(grid), dtype=np.int64) if codes is None else codes


def _ranks(cells: np.ndarray) -> np.ndarray:
    """The place of each cell among the distinct ones in order; of cells in order, as most dates are, without a sort."""
    if (cells[1:] >= cells[:-1]).all():
        ranks = np.zeros(len(cells), dtype=np.int64)
        np.not_equal(cells[1:], cells[:-1], out=ranks[1:])
        return np.cumsum(ranks, out=ranks)
    return np.unique(cells, return_inverse=True)[1]


def _distinct(codes: np.ndarray) -> int:
    """How many distinct codes there are: they count from 0."""
    return int(codes.max(initial=-1)) + 1


def _repeats(moments: np.ndarray, names: np.ndarray) -> int:
    """How many rows repeat an earlier row's date and name."""
    return len(moments) - _distinct(_ranks(moments * _distinct(names) + names))


def _names_assets(grid: Grid, at: int, *, named: bool) -> bool:
    """Whether cells can be names or codes of assets: text that comes again on other dates, or such whole numbers."""
    column = grid.columns[at]
    distinct = _distinct(_codes(grid, [at]))
    if distinct < 2:
        return False
    if isinstance(column, np.ndarray):
        whole = column.dtype.kind == "f" and bool((column == np.floor(column)).all())
        return whole and 2 * distinct <= len(column)
    if matches(column[:1000], r"^\s*\d{1,2}:\d{2}|^\s*-?\d*[.,]\d+\s*$").mean() > 0.5:  # times of day, decimals
        return False
    return named or 2 * distinct <= len(column)


def _whole_numbers(column: Column) -> bool:
    return isinstance(column, pa.ChunkedArray) and bool(matches(column[:1000], r"^\s*\d+\s*$").mean() > 0.5)
