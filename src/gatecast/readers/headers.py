"""Which rows of a text file are its header, and the column names they give: a single row or the two of yfinance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.names import key, kinds, known
from gatecast.readers.numbers import LIKE_NUMBER
from gatecast.text import clean, counted

_LOOKS_NUMERIC = r"^[-+]?[$€£¥]?\s*[\d.,' ]*\d[\d.,' ]*([eE][-+]?\d+)?\s*[$€£¥]?$"
_DAY_OR_NUMBER = (
    r"^\W*\d[\d.,:/ '-]*\D{0,4}$|^\d{4}-\d\d-\d\dT"
    r"|^\d{1,2}[ -/.]?[^\W\d]{3,9}[ -/.]?\d{2,4}$|^[^\W\d]{3,9}\.?[ -]\d{1,2},?[ -]\d{2,4}$"
)


def with_header(grid: Grid) -> Grid:
    """A grid of text with its header rows as names, or 1, 2, ... where the first row holds prices.

    Raises `UnreadableSource` where it has no rows.
    """
    head = [[column[row].as_py().strip() for column in grid.columns] for row in range(min(60, len(grid)))]
    start, depth = (0, 0) if not grid.options.header else _header_rows(head)
    skipped = sum(any(row) for row in head[:start])
    if skipped:
        grid.findings.note(f"skipped {counted(skipped, 'line')} before the header.")
    if depth == 0:
        numbers = tuple((str(at + 1),) for at in range(len(head[0])))
        below = tuple(column[start:] for column in grid.columns)
        return replace(grid, names=numbers, columns=below, lines=grid.lines[start:], headed=False)
    header = head[start : start + depth]
    date_alone = depth > 1 and _names_dates(header[-1][0])  # the last row names the dates and nothing else
    levels = header[:-1] if date_alone else header
    names = [tuple(filter(None, (clean(level[at]) for level in levels))) or ("",) for at in range(len(head[0]))]
    if depth > 1:
        names[0] = (header[-1][0] if date_alone else header[0][0] or header[1][0],)
    below = tuple(column[start + depth :] for column in grid.columns)
    named = replace(grid, names=tuple(names), columns=below, lines=grid.lines[start + depth :])
    if len(named) == 0:
        raise UnreadableSource("a table needs rows below its header; this one has none. Add prices.")
    return _without_unnamed(named)


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
    prices = next((at for at, row in enumerate(head) if _holds_prices(row)), start)
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
    return any(map(_names_fields, row)) or 1 < len(names) == sum(map(bool, row)) >= sum(map(bool, below))


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
