"""Which rows of a text file are its header, and the column names they give: a single row or the two of yfinance."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.names import FIELDS, is_unit, key, kinds, known
from gatecast.readers.numbers import LIKE_NUMBER
from gatecast.readers.side_by_side import blocks_of_assets, filled_on
from gatecast.text import clean, counted, shown

_LOOKS_NUMERIC = r"^[-+]?[$€£¥]?\s*[\d.,' ]*\d[\d.,' ]*([eE][-+]?\d+)?\s*[$€£¥]?$"
_DAY = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
_LEAST_DATES = 5  # side by side, more than a row of one day has
_DAY_OR_NUMBER = (
    r"^\W*\d[\d.,:/ '-]*\D{0,4}$|^\d{4}-\d\d-\d\dT"
    r"|^\d{1,2}[ -/.]?[^\W\d]{3,9}[ -/.]?\d{2,4}$|^[^\W\d]{3,9}\.?[ -]\d{1,2},?[ -]\d{2,4}$"
)


def with_header(grid: Grid) -> Grid:
    """A grid of text with its header rows as names, or 1, 2, ... where the first row holds prices.

    Raises `UnreadableSource` where it has no rows.
    """
    head = _head(grid)
    _refuse_transposed(head)
    if grid.options.header and (units := _units_row(head)) is not None:
        grid.findings.note(f"skipped {grid.place(units)}: it holds units.")
        grid = _without_row(grid, units)
        head = _head(grid)
    start, depth = (0, 0) if not grid.options.header else _header_rows(head)
    above = head[start - 1] if start else [""] * len(head[start])
    if depth == 1 and (blocks := blocks_of_assets(grid, above, head[start], start + 1)):
        return blocks
    if depth == 1 and start and _is_level(head[start - 1], head[start]):
        start, depth = start - 1, 2
        dates = map(_names_dates, head[start + 1])
        head[start] = ["" if date else name for date, name in zip(dates, filled_on(head[start]), strict=True)]
    skipped = sum(any(row) for row in head[:start])
    if skipped:
        grid.findings.note(f"skipped {counted(skipped, 'line')} before the header.")
    if depth == 0:
        numbers = tuple((str(at + 1),) for at in range(len(head[0])))
        below = tuple(column[start:] for column in grid.columns)
        return replace(grid, names=numbers, columns=below, lines=grid.lines[start:], headed=False)
    header = head[start : start + depth]
    date_alone = depth > 1 and _names_dates(header[-1][0]) and not any(header[-1][1:])
    levels = header[:-1] if date_alone else header
    names = [tuple(filter(None, (clean(level[at]) for level in levels))) or ("",) for at in range(len(head[0]))]
    if depth > 1:
        names[0] = (header[-1][0] if date_alone or _names_dates(header[-1][0]) else header[0][0] or header[1][0],)
    below = tuple(column[start + depth :] for column in grid.columns)
    named = replace(grid, names=tuple(names), columns=below, lines=grid.lines[start + depth :])
    if len(named) == 0:
        raise UnreadableSource("a table needs rows below its header; this one has none. Add prices.")
    return _without_unnamed(named)


def _head(grid: Grid) -> list[list[str]]:
    return [[column[row].as_py().strip() for column in grid.columns] for row in range(min(60, len(grid)))]


def _refuse_transposed(head: Sequence[Sequence[str]]) -> None:
    """Refuse a table whose dates or years stand in a row."""
    for row in head:
        filled = [cell for cell in row if cell]
        dates = {cell for cell in filled if re.match(_DAY, cell)}
        years = [int(cell) for cell in filled if re.match(r"^(19|20)\d\d$", cell)]
        in_turn = len(years) >= _LEAST_DATES and {abs(step) for step in np.diff(years)} == {1}
        if in_turn or len(dates) >= max(_LEAST_DATES, 0.6 * len(filled)):
            first = shown(min(dates) if dates else years[0])
            raise UnreadableSource(
                f"dates stand in a column, a row each; here they stand side by side, from {first} on. Transpose the "
                "table, as pandas does with frame.T."
            )


def _without_row(grid: Grid, row: int) -> Grid:
    keep = np.arange(len(grid)) != row
    columns = tuple(pc.filter(column, pa.array(keep)) for column in grid.columns)
    return replace(grid, columns=columns, lines=np.asarray(grid.lines)[keep])


def _units_row(head: Sequence[Sequence[str]]) -> int | None:
    """The row of units below a header: `yyyy-mm-dd,USD,shares`."""
    for at, (names, below) in enumerate(itertools.pairwise(head)):
        filled = [cell for cell in below if cell]
        named = [name for name, cell in zip(names[1:], below[1:], strict=True) if cell]
        if not named or "" in named or len(set(named)) < len(named):  # a name over two cells is an asset's, or a field
            continue
        if all(is_unit(cell) for cell in filled):
            return at + 1
        fields = [word for name in names if set(kinds(word := key(name))) & set(FIELDS)]
        # An asset per field is none: what differs under one asset's fields are their units.
        words = {cell for cell in below[1:] if cell}
        if len(set(fields)) == len(fields) > 1 < len(words) and not below[0] and not any(map(_has_meaning, filled)):
            return at + 1
    return None


def _has_meaning(cell: str) -> bool:
    return _is_day_or_number(cell) or _names_fields(cell)


def _is_level(upper: Sequence[str], lower: Sequence[str]) -> bool:
    """Whether the row above the header is one of names as well: of the fields' assets, or of the assets' fields."""
    at = [column for column, name in enumerate(lower) if name and not _names_dates(name)]
    pairs = [(above, lower[column]) for column in at if (above := filled_on(upper)[column])]
    if len(pairs) < max(2, len(at)) or len(set(pairs)) < len(pairs):
        return False
    written = [upper[column] for column in at if upper[column]]
    # Over names that do not repeat, several words may be groups: prices, trading.
    one_asset = len(written) > 1 == len(set(written))
    repeated = len({low for _, low in pairs}) < len(pairs)
    return (repeated or one_asset) and any(set(kinds(key(word))) & set(FIELDS) for pair in pairs for word in pair)


def _names_dates(cell: str) -> bool:
    return not cell[:1].isdigit() and key(cell) in known("date")  # most cells are numbers, which is seen fast


def _header_rows(head: Sequence[Sequence[str]]) -> tuple[int, int]:
    """The first header row and how many there are: none where the first filled row holds prices."""
    start = next((at for at, row in enumerate(head) if any(row)), None)
    if start is None:
        raise UnreadableSource("a table needs a header; this one is blank. Add one such as date,close.")
    for depth in (2, 3):  # yfinance: rows of fields and tickers, then 'Date' alone
        last = head[start + depth - 1] if start + depth <= len(head) else ["?"]
        if len(last) > 1 and _names_dates(last[0]) and not any(last[1:]):
            return start, depth
    dated = [at for at, row in enumerate(head) if sum(map(bool, row)) > 1 and any(map(_names_dates, row))]
    # Title lines may name a date as well ("Period,Daily"): below the header's word for it stand dates.
    titled = [at for at in dated if _dates_below(head, at)]
    priced = [at for at, row in enumerate(head) if _holds_prices(row)]
    rows = [at for at in priced if at + 1 in priced]  # a lone line of numbers may be a title's: "Published,20-Nov-2026"
    for prices in (*rows[:1], *priced[:1]):
        if not titled and prices > start and _heads(head[prices - 1], head[prices]):
            return prices - 1, 1
    for at in titled or dated:
        below = head[at + 1] if at + 1 < len(head) else []
        words = all(re.match(r"^[^\d]*[A-Za-z^]", cell) for cell in below[1:])
        return at, 2 if len(below) > 1 and not below[0] and words else 1
    if any(re.match(_LOOKS_NUMERIC, cell) for cell in head[start]):
        return start, 0
    return start, 1


def _dates_below(head: Sequence[Sequence[str]], at: int) -> bool:
    """Whether the first filled cell below a row's word for dates has a digit."""
    below = next((row for row in head[at + 1 :] if any(row)), None)
    return below is not None and any(
        re.search(r"\d", below[i]) for i, cell in enumerate(head[at]) if _names_dates(cell)
    )


def _names_fields(cell: str) -> bool:
    return bool(kinds(key(cell)))


def _heads(row: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a row has a known name of a column, or a name for each filled cell of the first row of prices."""
    names = {cell for cell in row if cell and not _is_day_or_number(cell)}
    cells = sum(map(bool, below if row[0] else below[1:]))  # the column of dates is often without a name
    return any(map(_names_fields, row)) or 1 < len(names) == sum(map(bool, row)) >= cells


def _holds_prices(row: Sequence[str]) -> bool:
    """Whether most of at least two filled cells are dates or numbers."""
    filled = [cell for cell in row if cell]
    return len(filled) > 1 and 2 * sum(map(_is_day_or_number, filled)) > len(filled)


def _is_day_or_number(cell: str) -> bool:
    return bool(re.match(_DAY_OR_NUMBER, cell) or re.match(LIKE_NUMBER, cell))


def _without_unnamed(grid: Grid) -> Grid:
    """Leave out blank columns without a name; a filled one means that a row is too long."""
    keep = []
    for at, names in enumerate(grid.names):
        if names != ("",) or at == 0:
            keep.append(at)
            continue
        filled = np.asarray(pc.not_equal(pc.utf8_trim_whitespace(grid.columns[at]), ""), dtype=bool)
        if filled.any():
            raise UnreadableSource(
                f"every cell needs a column name; {grid.place(int(filled.argmax()))} has more cells than the header. "
                "Quote or correct it."
            )
    return replace(grid, names=tuple(grid.names[at] for at in keep), columns=tuple(grid.columns[at] for at in keep))
