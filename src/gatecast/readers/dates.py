"""From date cells of any common spelling to timestamps; a whole column decides its order of day and month."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from gatecast.readers import spellings
from gatecast.readers.cells import Column, matches, text_column
from gatecast.readers.column_dates import (
    store_compact,
    store_decimal_months,
    store_epochs,
    store_months,
    store_numbered,
    store_periods,
    store_serials,
    store_years_of_taiwan,
)
from gatecast.readers.date_cells import BLANKS, NAT, UNITS, Cells, Groups, since_1970, store
from gatecast.readers.date_words import are_weekdays, rewritten, without_word
from gatecast.readers.findings import Findings

_MANY = 50_000  # cells; of more, equal days and equal times are read once
_BLOCK = 10_000  # cells of a long column that are read together
_PARTS = r"^(?P<day>[^\sT,]+)[T ,]+(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)$"


@dataclass(frozen=True)
class Dates:
    """Timestamps `datetime64[ns]`, NaT where the cell is blank, unreadable or outside 1800..2200."""

    stamps: np.ndarray
    unreadable: Bool[np.ndarray, " rows"]  # cells that hold something which is no date
    outside: Bool[np.ndarray, " rows"]  # dates before 1800 or from 2200


_Store: TypeAlias = Callable[[Cells, np.ndarray, Groups], None]


def parse_dates(column: Column, name: str, findings: Findings, *, day_first: bool | None = None) -> Dates:
    """The dates of a column; raises `UnreadableSource` where the order of day and month is unclear, or not `day_first`.

    >>> column = pa.chunked_array([["03/04/2021", "13/04/2021"]])
    >>> parse_dates(column, "date", Findings()).stamps.astype("M8[D]").tolist()[0]
    datetime.date(2021, 4, 3)
    """
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        plain = column
    else:
        if isinstance(column, np.ndarray) and len(column) > _MANY and (column >= 1e8).all() and (column < 2**62).all():
            return _epochs(column, findings)
        text = pc.utf8_trim_whitespace(_whole_numbers(column) if isinstance(column, np.ndarray) else column)
        try:  # most files have ISO dates, which arrow reads fast
            plain = pc.cast(text, pa.timestamp("us")).to_numpy()
        except pa.ArrowInvalid:
            return (
                _by_parts(text, name, findings, day_first)
                or _by_blocks(text, name, findings, day_first)
                or _by_spelling(text, name, findings, day_first)
            )
    return _checked(plain, plain, np.zeros(len(plain), bool))


def _by_parts(column: pa.ChunkedArray, name: str, findings: Findings, day_first: bool | None) -> Dates | None:
    """Of a long column of days and times, the distinct days and the distinct times are read; None where it is none."""
    if len(column) <= _MANY or not matches(column, _PARTS).all():
        return None
    parts = pc.extract_regex(column, _PARTS)
    dates = _by_spelling(pc.struct_field(parts, "day"), name, findings, day_first)
    coded = pc.struct_field(parts, "clock").combine_chunks().dictionary_encode()
    clocks = [[int(number) for number in clock.split(":")] for clock in coded.dictionary.to_pylist()]
    seconds = np.array([sum(n * unit for n, unit in zip(clock, (3600, 60, 1), strict=False)) for clock in clocks])
    wrong = np.array([clock[0] > 23 or max(clock[1:]) > 59 for clock in clocks])
    codes = coded.indices.to_numpy()
    stamps = dates.stamps + seconds[codes].astype("timedelta64[s]")
    stamps[wrong[codes]] = NAT
    return Dates(stamps, dates.unreadable | wrong[codes], dates.outside)


def _by_blocks(column: pa.ChunkedArray, name: str, findings: Findings, day_first: bool | None) -> Dates | None:
    """Of a long column in which few cells are no ISO dates, the blocks around those alone are read cell by cell: a
    column of Python's texts takes many times the memory of its dates.
    """
    if len(column) <= _MANY:
        return None
    starts = range(0, len(column), _BLOCK)
    blocks = {start: column.slice(start, _BLOCK) for start in starts}
    plain: dict[int, np.ndarray] = {}
    for start, block in blocks.items():
        with suppress(pa.ArrowInvalid):
            plain[start] = pc.cast(block, pa.timestamp("us")).to_numpy()
    odd = [start for start in starts if start not in plain]
    if 2 * len(odd) > len(starts):
        return None
    spelled = _by_spelling(
        pa.chunked_array([chunk for start in odd for chunk in blocks[start].chunks]), name, findings, day_first
    )
    parts: list[Dates] = []
    done = 0
    for start in starts:
        if start in plain:
            parts.append(_checked(plain[start], plain[start], np.zeros(len(plain[start]), bool)))
        else:
            rows = slice(done, done := done + len(blocks[start]))
            parts.append(Dates(spelled.stamps[rows], spelled.unreadable[rows], spelled.outside[rows]))
    return Dates(*(np.concatenate([getattr(part, of) for part in parts]) for of in ("stamps", "unreadable", "outside")))


def _epochs(column: np.ndarray, findings: Findings) -> Dates:
    """The times of a long column of counts since 1970."""
    digits = np.floor(np.log10(column)).astype(np.int64) + 1
    seconds, nanos, unit = since_1970(column.astype(np.int64), digits)
    findings.note(f"read dates such as {int(column[0])} as {UNITS[int(unit[0])]} since 1970.")
    stamps = np.where(_inside(seconds), seconds, NAT).astype("datetime64[ns]")
    return _checked(seconds, stamps + nanos.astype("timedelta64[ns]"), np.zeros(len(column), bool))


def _by_spelling(column: pa.ChunkedArray, name: str, findings: Findings, day_first: bool | None) -> Dates:
    """The distinct cells as they are spelled; where most are no dates, without a weekday before or after them."""
    coded = column.combine_chunks().dictionary_encode()
    cells = Cells(list(map(rewritten, coded.dictionary.to_pylist())), name, findings, day_first)
    _read(cells)
    if 2 * int(np.isnat(cells.seconds).sum()) > len(cells.text) > 0:
        rest, words = zip(*map(without_word, cells.text), strict=True)
        if 2 * sum(map(bool, words)) > len(words):
            bare = Cells(list(rest), name, Findings(), day_first)
            _read(bare)
            if are_weekdays(words, bare.seconds):
                findings.notes += bare.findings.notes
                cells = bare
    if cells.zoned.any():
        _drop_zones(cells)
    blank = np.array([cell.lower() in BLANKS for cell in cells.text], dtype=bool)
    unreadable = np.isnat(cells.seconds) & ~blank
    stamps = np.where(_inside(cells.seconds), cells.seconds, NAT).astype("datetime64[ns]")
    stamps = stamps + cells.nanos.astype("timedelta64[ns]")
    codes = coded.indices.to_numpy()
    return _checked(cells.seconds[codes], stamps[codes], unreadable[codes])


def _read(cells: Cells) -> None:
    """Try the spellings in turn, each on the distinct cells that are still unread."""
    exact: list[tuple[re.Pattern[str], _Store]] = [(spelling, store) for spelling in spellings.DAYS]
    exact += [(spellings.ROC, store_years_of_taiwan), (spellings.NUMBERED, store_numbered)]
    exact += [(spellings.EPOCH, store_epochs)]
    coarse: list[tuple[re.Pattern[str], _Store]] = [(spellings.DECIMAL_MONTH, store_decimal_months)]
    coarse += [(spelling, store) for spelling in spellings.MONTHS]
    coarse += [(spelling, store_periods) for spelling in spellings.PERIODS]
    coarse += [(spelling, store_months) for spelling in spellings.SHORT_MONTHS]
    coarse += [(spellings.COMPACT, store_compact), (spellings.SERIAL, store_serials), (spellings.YEARS, store)]
    for spelling, keep in (*exact, *coarse):
        at, groups = cells.match(spelling)
        # A year among dates is a date cut short: only a column of years holds years.
        if (len(at) and (spelling, keep) in exact) or 2 * len(at) > cells.filled():
            keep(cells, at, groups)


def _whole_numbers(column: np.ndarray) -> pa.ChunkedArray:
    """The numbers of a frame as the text of dates: 20210304, or a count since 1970."""
    whole = np.isfinite(column) & (column == np.floor(column)) & (np.abs(column) < 2**62)
    return text_column(
        ["" if np.isnan(cell) else str(int(cell)) if ok else str(cell) for cell, ok in zip(column, whole, strict=True)]
    )


def _inside(times: np.ndarray) -> np.ndarray:
    return np.asarray((times >= np.datetime64("1800-01-01")) & (times < np.datetime64("2200-01-01")))


def _checked(times: np.ndarray, exact: np.ndarray, unreadable: np.ndarray) -> Dates:
    """The dates, without those outside 1800..2200, which nanoseconds need not hold."""
    outside = ~np.isnat(times) & ~_inside(times)
    stamps = np.where(outside, NAT, exact) if outside.any() else exact
    return Dates(stamps.astype("datetime64[ns]", copy=False), unreadable, outside)


def _drop_zones(cells: Cells) -> None:
    """Times with a zone keep their local time.

    They become UTC where a local time stands for two moments, or where they are counted from Greenwich (GMT+0100).
    """
    wall = cells.seconds[cells.zoned]
    moment = wall - cells.offsets[cells.zoned]
    midnight = bool((wall == wall.astype("datetime64[D]")).all())
    repeats = len(np.unique(wall)) != len(np.unique(moment))
    if not cells.offsets[cells.zoned].any():
        cells.findings.note("kept the times of dates with a time zone, which is UTC, and dropped the zone.")
        return
    if midnight or not (repeats or cells.from_greenwich):
        cells.findings.note("kept the local time of dates with a time zone and dropped the zone.")
        return
    why = "because the local clock repeats an hour" if repeats else "from which they count"
    cells.findings.note(f"converted times with a time zone to UTC, {why}.")
    cells.seconds[cells.zoned] = moment
