"""A date that is spread over columns of years, months and days becomes a column of dates."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Column, Grid, matches, text_column
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.names import is_time, key, known, normalized
from gatecast.readers.spellings import DAYS, MONTH, MONTHS, month_numbers
from gatecast.text import listed, shown

_YEARS = (
    "year", "yr", "yyyy", "Jahr", "année", "annee", "an", "año", "ano", "anno", "jaar", "rok", "yıl", "год", "年",
    "年份", "年度", "년", "년도", "연도", "år", "évy", "vuosi",
)  # fmt: skip
_MONTHS = (
    "month", "mon", "mm", "mo", "mth", "Monat", "mois", "mes", "mês", "mese", "maand", "miesiąc", "měsíc", "ay",
    "месяц", "月", "月份", "월", "måned", "månad", "kuukausi",
)  # fmt: skip
_QUARTERS = ("quarter", "qtr", "Quartal", "trimestre", "kvartal", "kwartał", "квартал", "季度", "분기")
_DAYS = (
    "day", "dd", "dy", "dom", "day of month", "Tag", "jour", "día", "dia", "giorno", "dag", "dzień", "den", "gün",
    "день", "日", "일", "päivä",
)  # fmt: skip
_YEAR_CELL, _DAY_CELL = r"^(1[89]|2[01])\d\d(\.0+)?$", r"^([012]?\d|3[01])(\.0+)?$"
_MONTH_CELL = r"^M?(0?[1-9]|1[0-2])(\.0+)?$|^\pL{3,}\.?$"
_PERIOD_CELL, _QUARTER_CELL = r"^M(0[1-9]|1[0-3])$|^Q0?[1-5]$", r"^[QqTt]?0?[1-4](\.0+)?$"  # M13 of a year's average

_UNREADABLE = 0.2  # of the joined dates at most


def with_joined_dates(grid: Grid) -> Grid:
    """A grid in which a column of dates stands for its years, months and days, where no other column holds dates.

    Raises `UnreadableSource` for a table with a row of each year and a column of each month.
    """
    if grid.options.date is not None or any(len(levels) > 1 for levels in grid.names):
        return grid
    year = _column(grid, _YEARS, _YEAR_CELL)
    if year is None:
        return grid
    _refuse_months_across(grid, year)
    month, day = _column(grid, _MONTHS, _MONTH_CELL), _column(grid, _DAYS, _DAY_CELL)
    quarter = _column(grid, _QUARTERS, _QUARTER_CELL) if month is None else None
    if month is None and quarter is None:
        month = _column(grid, ("period",), _PERIOD_CELL)
    parts = [at for at in (year, month, quarter, day) if at is not None]
    if len(parts) - (day is not None) < 2 or _has_dates(grid, parts):
        return grid
    cells = [_words(grid.columns[at]) for at in parts]
    if quarter is not None:
        cells, parts = [cells[0], [f"Q{word.lstrip('QqTt0')}" for word in cells[1]]], parts[:2]
    joined = ["-".join(row) if all(row) else "" for row in zip(*cells, strict=True)]
    dates = text_column(joined)
    with suppress(UnreadableSource):
        if parse_dates(dates, "", Findings()).unreadable.mean() > _UNREADABLE:
            return grid
    names = [grid.names[at][0] for at in parts]
    grid.findings.note(f"joined columns {listed([shown(name) for name in names])} to a date.")
    keep = [at for at in range(len(grid.names)) if at not in parts]
    columns = (dates, *(grid.columns[at] for at in keep))
    return replace(grid, names=(("date",), *(grid.names[at] for at in keep)), columns=columns)


def _column(grid: Grid, names: Sequence[str], cell: str) -> int | None:
    """The column of one of these names whose cells are so."""
    known_names = set(map(normalized, names))
    for at, (name, *_) in enumerate(grid.names):
        if normalized(name) in known_names and matches(text_column(_words(grid.columns[at][:200])), cell).mean() > 0.8:
            return at
    return None


def _words(column: Column) -> list[str]:
    """Cells as text, whole numbers without decimals."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind != "f":
            return [""] * len(column)
        return ["" if np.isnan(cell) else f"{cell:g}" for cell in column]
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^(\d+)\.0+$", r"\1")
    return list(text.to_pylist())


def _has_dates(grid: Grid, parts: Sequence[int]) -> bool:
    """Whether a column that is none of the parts is called a date or holds cells spelled as days or months."""
    for at, (name, *_) in enumerate(grid.names):
        column = grid.columns[at]
        if at in parts or (is_time(name) and matches(text_column(_words(column[:50])), r"^\d{1,2}:\d\d").all()):
            continue
        if key(name) in known("date") or (isinstance(column, np.ndarray) and column.dtype.kind == "M"):
            return True
        if isinstance(column, pa.ChunkedArray):
            head = [cell.strip() for cell in column[:50].to_pylist() if cell.strip()]
            spelled = [any(spelling.fullmatch(cell) for spelling in (*DAYS, *MONTHS)) for cell in head]
            if head and sum(spelled) > 0.8 * len(head):
                return True
    return False


def _refuse_months_across(grid: Grid, year: int) -> None:
    """Refuse a row of each year with a column of each month, which would be twelve assets."""
    months = [name for at, (name, *_) in enumerate(grid.names) if at != year and MONTH.fullmatch(name)]
    if len(set(month_numbers(months))) == 12:
        raise UnreadableSource(
            f"a row needs a date of its own; columns {listed([shown(name) for name in months])} are the months of a "
            "year. Write a row for each month, such as 2021-03,10.5 below date,close."
        )
