"""Lines that hold no price: dividends and splits between prices, footnotes, averages below; each kind in one note."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from gatecast.readers.cells import Grid
from gatecast.readers.dates import Dates
from gatecast.readers.layouts import Layout
from gatecast.readers.numbers import Numbers
from gatecast.text import counted, listed, shown

# What happened to a share on a day, in the place of prices: "0.24 Dividend", "4:1 Stock Splits", "Market closed".
_EVENT = re.compile(
    r"divid|dywid|osztal[eé]k|utdelning|utbytte|temett[uü]|дивиденд|配当|股息|派息|分红|分紅|除权|除息|배당"
    r"|split|сплит|分割|拆股|拆分|합병|desdobr|agrupa|fraccion|frazion|consolidation"
    r"|distribut|spin-?off|capital gain|demerger|rights issue|bonus issue"
    r"|holiday|closed|no trad|not traded|suspend|halted"
    r"|^\s*\d+\s*(:|for|-for-)\s*\d+\s*$",
    re.IGNORECASE,
)
_MOST_CELLS = 1_000_000  # of lines with a word in a number's place; more are no lines between prices
_SUMMARY = re.compile(
    r"\W*(average|avg|mean|median|total|sum|min(imum)?|max(imum)?|high(est)?|low(est)?|std|stdev|change|difference)\b",
    re.IGNORECASE,
)


def lines_without_prices(
    grid: Grid, layout: Layout, numbers: Mapping[int, Numbers], dates: Dates
) -> Bool[np.ndarray, " rows"]:
    """Which lines are blank or hold words in place of a date and prices; a note tells of each kind.

    A word in place of a single price is left to be refused, and so is a line of prices without a date.
    """
    number, close, other, unreadable = (np.zeros(len(grid), dtype=bool) for _ in range(4))
    for fields in layout.assets.values():
        for name, at in fields.items():
            column = numbers[at]
            readable = ~np.isnan(column.values)
            number |= readable
            unreadable |= column.unreadable
            if name == "close":
                close |= readable
            elif name != "volume":
                other |= readable
    undated = np.isnat(dates.stamps) & ~dates.outside
    events, summaries, words = (np.zeros(len(grid), dtype=bool) for _ in range(3))
    blank = undated & ~number & ~unreadable
    # A row that has its close has a price, whatever else it says; but 'Dividend' beside 0.24 alone is no price.
    has_range = len(layout.assets) == 1 and bool({"open", "high", "low"} & set(*layout.assets.values()))
    worded = dates.unreadable | (unreadable & (~close | ~other if has_range else ~close))
    volumes = {fields.get("volume") for fields in layout.assets.values()}
    if int(worded.sum()) * len(numbers) <= _MOST_CELLS:
        for row in np.flatnonzero(worded).tolist():
            date = _cell(grid, layout.date, row)
            if date == grid.names[layout.date][0]:
                continue  # the header again, below which another table may begin
            wrong = [at for at, column in numbers.items() if column.unreadable[row]]
            cells = [_cell(grid, at, row) for at in wrong if not (close[row] and at in volumes)]
            words[row] = undated[row] and not number[row]
            events[row] = not words[row] and any(map(_EVENT.search, [*cells, date] if dates.unreadable[row] else cells))
            summaries[row] = not (events[row] or words[row]) and dates.unreadable[row] and bool(_SUMMARY.match(date))
    for rows, what in (
        (events, "with a dividend, a split or a closing in place of prices"),
        (summaries, "with averages or totals in place of prices of a day"),
    ):
        if rows.any():
            grid.findings.note(f"skipped {counted(int(rows.sum()), 'line')} {what}: {_quoted(grid, rows)}.")
    blank |= words
    if blank.any():
        words |= blank & dates.unreadable
        such = f": {_quoted(grid, words)}" if words.any() else ""
        grid.findings.note(f"skipped {counted(int(blank.sum()), 'line')} without a date or price{such}.")
    return np.asarray(events | summaries | blank)


def _cell(grid: Grid, column: int, row: int) -> str:
    cell = grid.columns[column][row]
    return str(cell.as_py() if isinstance(cell, pa.Scalar) else cell).strip()


def _quoted(grid: Grid, rows: Bool[np.ndarray, " rows"]) -> str:
    """Where the first of the lines stand, with their words."""
    quoted = []
    for row in np.flatnonzero(rows).tolist():
        texts = (_cell(grid, at, row) for at, cells in enumerate(grid.columns) if isinstance(cells, pa.ChunkedArray))
        quoted.append(f"{grid.place(row)} ({shown(' '.join(filter(None, texts)))})")
    return listed(quoted)
