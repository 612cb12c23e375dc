"""From date cells of any common spelling to timestamps; a whole column decides its order of day and month."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from gatecast.errors import UnreadableSource
from gatecast.readers import spellings
from gatecast.readers.cells import Column, matches, text_column
from gatecast.readers.date_words import are_weekdays, rewritten, without_word
from gatecast.readers.day_month import number_order
from gatecast.readers.findings import Findings
from gatecast.text import shown

_NAT = np.datetime64("NaT", "s")
_UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
_SERIALS = (18_264, 73_051)  # days since 1899-12-30 of 1950 and of 2100
_MANY = 50_000  # cells; of more, equal days and equal times are read once
_PARTS = r"^(?P<day>[^\sT,]+)[T ,]+(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)$"
_NUMBERS = {"day": ("a", "b", "y"), "month": ("b", "a", "y"), "year": ("y", "b", "a")}  # groups of day, month, year
BLANKS = {"", "nan", "nat", "null", "none", "n/a", "-"}

Groups: TypeAlias = Mapping[str, Sequence[str | None]]  # of a spelling, for each cell that it fits


@dataclass(frozen=True)
class Dates:
    """Timestamps `datetime64[ns]`, NaT where the cell is blank, unreadable or outside 1800..2200."""

    stamps: np.ndarray
    unreadable: Bool[np.ndarray, " rows"]  # cells that hold something which is no date
    outside: Bool[np.ndarray, " rows"]  # dates before 1800 or from 2200


class _Cells:
    """Distinct cells of a column and their times; NaT while no spelling fits."""

    def __init__(self, text: list[str], column: str, findings: Findings, day_first: bool | None) -> None:
        self.text, self.column, self.findings, self.day_first = text, column, findings, day_first
        self.seconds = np.full(len(text), _NAT, dtype="datetime64[s]")
        self.nanos = np.zeros(len(text), dtype=np.int64)
        self.offsets = np.zeros(len(text), dtype=np.int64)  # seconds east of Greenwich
        self.zoned = np.zeros(len(text), dtype=bool)
        self.from_greenwich = False  # whether an offset is written as GMT+0100: no clock of an exchange is

    def filled(self) -> int:
        """How many cells are not blank."""
        return sum(text.lower() not in BLANKS for text in self.text)

    def match(self, spelling: re.Pattern[str]) -> tuple[np.ndarray, Groups]:
        """Positions of the unread cells that a spelling fits entirely, and its groups for each."""
        left = np.flatnonzero(np.isnat(self.seconds))
        found = [(at, match) for at in left if (match := spelling.fullmatch(self.text[at]))]
        groups = {name: [match[name] for _, match in found] for name in spelling.groupindex}
        return np.array([at for at, _ in found], dtype=np.int64), groups


_Store: TypeAlias = Callable[[_Cells, np.ndarray, Groups], None]


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
            return _by_parts(text, name, findings, day_first) or _by_spelling(text, name, findings, day_first)
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
    stamps[wrong[codes]] = _NAT
    return Dates(stamps, dates.unreadable | wrong[codes], dates.outside)


def _epochs(column: np.ndarray, findings: Findings) -> Dates:
    """The times of a long column of counts since 1970."""
    digits = np.floor(np.log10(column)).astype(np.int64) + 1
    seconds, nanos, unit = _since_1970(column.astype(np.int64), digits)
    findings.note(f"read dates such as {int(column[0])} as {_UNITS[int(unit[0])]} since 1970.")
    stamps = np.where(_inside(seconds), seconds, _NAT).astype("datetime64[ns]")
    return _checked(seconds, stamps + nanos.astype("timedelta64[ns]"), np.zeros(len(column), bool))


def _since_1970(count: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds, nanoseconds beyond them, and units in a second: 9-10 digits are seconds, 11-13 milli-, 14-16 micro-."""
    unit = np.select([digits <= 10, digits <= 13, digits <= 16], [1, 10**3, 10**6], 10**9)
    return (count // unit).astype("datetime64[s]"), (count % unit) * (10**9 // unit), unit


def _by_spelling(column: pa.ChunkedArray, name: str, findings: Findings, day_first: bool | None) -> Dates:
    """The distinct cells as they are spelled; where most are no dates, without a weekday before or after them."""
    coded = column.combine_chunks().dictionary_encode()
    cells = _Cells(list(map(rewritten, coded.dictionary.to_pylist())), name, findings, day_first)
    _read(cells)
    if 2 * int(np.isnat(cells.seconds).sum()) > len(cells.text) > 0:
        rest, words = zip(*map(without_word, cells.text), strict=True)
        if 2 * sum(map(bool, words)) > len(words):
            bare = _Cells(list(rest), name, Findings(), day_first)
            _read(bare)
            if are_weekdays(words, bare.seconds):
                findings.notes += bare.findings.notes
                cells = bare
    if cells.zoned.any():
        _drop_zones(cells)
    blank = np.array([cell.lower() in BLANKS for cell in cells.text], dtype=bool)
    unreadable = np.isnat(cells.seconds) & ~blank
    stamps = np.where(_inside(cells.seconds), cells.seconds, _NAT).astype("datetime64[ns]")
    stamps = stamps + cells.nanos.astype("timedelta64[ns]")
    codes = coded.indices.to_numpy()
    return _checked(cells.seconds[codes], stamps[codes], unreadable[codes])


def _read(cells: _Cells) -> None:
    """Try the spellings in turn, each on the distinct cells that are still unread."""
    exact: list[tuple[re.Pattern[str], _Store]] = [(spelling, _store) for spelling in spellings.DAYS]
    exact += [(spellings.ROC, _store_years_of_taiwan), (spellings.NUMBERED, _store_numbered)]
    exact += [(spellings.EPOCH, _store_epochs)]
    coarse: list[tuple[re.Pattern[str], _Store]] = [(spellings.DECIMAL_MONTH, _store_decimal_months)]
    coarse += [(spelling, _store) for spelling in spellings.MONTHS]
    coarse += [(spelling, _store_periods) for spelling in spellings.PERIODS]
    coarse += [(spelling, _store_months) for spelling in spellings.SHORT_MONTHS]
    coarse += [(spellings.COMPACT, _store_compact), (spellings.SERIAL, _store_serials), (spellings.YEARS, _store)]
    for spelling, store in (*exact, *coarse):
        at, groups = cells.match(spelling)
        # A year among dates is a date cut short: only a column of years holds years.
        if (len(at) and (spelling, store) in exact) or 2 * len(at) > cells.filled():
            store(cells, at, groups)


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
    stamps = np.where(outside, _NAT, exact) if outside.any() else exact
    return Dates(stamps.astype("datetime64[ns]", copy=False), unreadable, outside)


def _whole(words: Iterable[str | None], default: int) -> Int[np.ndarray, " cells"]:
    return np.array([default if word is None else int(word) for word in words], dtype=np.int64)


def _store(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store the times that a spelling gives; a date that does not exist (31 June) stays NaT."""
    absent: list[str | None] = [None] * len(at)
    year, day = _whole(groups["y"], 0), _whole(groups.get("d", absent), 1)
    short = np.array([len(word or "") == 2 for word in groups["y"]])
    year = np.where(short, year + np.where(year >= 69, 1900, 2000), year)  # POSIX: 69..99 are 19xx
    if "name" in groups:
        month = np.array(spellings.month_numbers(groups["name"]), dtype=np.int64)
    else:
        month = _whole(groups.get("m", absent), 1)
    hour, minute, second = (_whole(groups.get(key, absent), 0) for key in "HMS")
    half = np.array([(word or " ")[0].lower() for word in groups.get("half", absent)])
    hour = np.where((half == "p") & (hour < 12), hour + 12, np.where((half == "a") & (hour == 12), 0, hour))
    months = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month - 1, 0, 11)
    first = months.astype("datetime64[M]")
    length = ((first + np.timedelta64(1, "M")).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
    real = (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    real &= (hour < 24) & (minute < 60) & (second < 60)
    since = (day - 1) * 86_400 + hour * 3600 + minute * 60 + second
    cells.seconds[at[real]] = (first.astype("datetime64[s]") + since)[real]
    cells.nanos[at] = _whole(((word or "0").ljust(9, "0") for word in groups.get("frac", absent)), 0)
    zones = groups.get("zone", absent)
    for row, zone in zip(at.tolist(), zones, strict=True):
        if zone is None or cells.seconds[row] != cells.seconds[row]:
            continue
        offset = spellings.offset_of(zone, cells.seconds[row].item())
        if offset is None:
            cells.seconds[row] = _NAT
        else:
            cells.zoned[row], cells.offsets[row] = True, offset
            cells.from_greenwich |= offset != 0 and zone[:3].upper() in ("GMT", "UTC")


def _store_numbered(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store dates such as `03/04/2021` and `26.11.20`, with day, month and year in the order that the column has."""
    a, b, text = _whole(groups["a"], 1), _whole(groups["b"], 1), [cells.text[row] for row in at]
    order = number_order(
        text, a, b, groups["y"], column=cells.column, day_first=cells.day_first, findings=cells.findings
    )
    day, month, year = _NUMBERS[order]
    _store(cells, at, {**groups, "d": groups[day], "m": groups[month], "y": groups[year]})


def _store_compact(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store dates such as 261120, of which nearly all must have a month in their middle or in front.

    Nothing where nearly all may be months as well, such as 200612.
    """
    a, b = _whole(groups["a"], 0), _whole(groups["b"], 0)
    if np.mean([bool(spellings.SHORT_MONTHS[-1].fullmatch(cells.text[row])) for row in at]) > 0.9:
        return
    if max(((b > 0) & (b <= 12)).mean(), ((a > 0) & (a <= 12) & (b > 0) & (b <= 31)).mean()) > 0.95:
        _store_numbered(cells, at, groups)


def _store_years_of_taiwan(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store dates such as 115/11/20, whose years count from 1912, and those before 100 beside them; a few are slips."""
    short, others = cells.match(spellings.ROC_SHORT)
    if (_whole(others["y"], 0) <= 31).any():  # days
        return
    if 20 * (len(at) + len(short)) < 19 * cells.filled() or 20 * len(at) < cells.filled():
        return
    for rows, parts in ((at, groups), (short, others)):
        if len(rows):
            years: list[str | None] = [str(year) for year in _whole(parts["y"], 0) + 1911]
            _store(cells, rows, {**parts, "y": years})
    day = cells.seconds[at[0]].astype("datetime64[D]")
    cells.findings.note(f"read dates such as {cells.text[at[0]]} as years of Taiwan, here {day}.")


def _store_decimal_months(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store 2010.1 as October where most months have two digits; where they have one, nothing."""
    cut = np.array([word == "1" for word in groups["m"]])
    if 2 * int(cut.sum()) > len(at):
        return
    _store(cells, at, {**groups, "m": ["10" if word == "1" else word for word in groups["m"]]})
    if cut.any():
        cells.findings.note(f"read dates such as {cells.text[at[int(cut.argmax())]]} as October.")


def _store_periods(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store months, quarters, halves and weeks as their first day."""
    if "w" in groups:
        _store_weeks(cells, at, groups)
        return
    months, unit = (3, "quarter") if "q" in groups else (6, "half year") if "h" in groups else (1, "month")
    number = _whole(groups["q" if months == 3 else "h" if months == 6 else "m"], 1)
    _store(cells, at, {**groups, "m": [str(first) for first in (number - 1) * months + 1]})
    cells.findings.note(f"read dates such as {cells.text[at[0]]} as the first day of the {unit}.")


def _store_weeks(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store ISO weeks as their Monday, or as the weekday that is given; week 53 of a year without one stays NaT."""
    for row, year, week, weekday in zip(
        at.tolist(),
        _whole(groups["y"], 0),
        _whole(groups["w"], 0),
        _whole(groups.get("wd", [None] * len(at)), 1),
        strict=True,
    ):
        with suppress(ValueError):
            cells.seconds[row] = np.datetime64(datetime.date.fromisocalendar(int(year), int(week), int(weekday)), "s")
    cells.findings.note(f"read dates such as {cells.text[at[0]]} as the Monday of the week.")


def _store_months(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store `Oct 26` as October 2026 where that gives an even series of months, and 202610 likewise."""
    spelt = _Cells([cells.text[row] for row in at], cells.column, cells.findings, cells.day_first)
    _store(spelt, np.arange(len(at)), groups)
    months = np.unique(spelt.seconds[~np.isnat(spelt.seconds)].astype("datetime64[M]")).astype(np.int64)
    steps = np.diff(months)
    if len(steps) and (steps == np.median(steps)).mean() >= 0.9 and np.median(steps) <= 12:
        cells.seconds[at] = spelt.seconds
        month = spelt.seconds[0].astype("datetime64[M]")
        cells.findings.note(f"read dates such as {cells.text[at[0]]} as a month and its year, here {month}.")
    elif "name" in groups:
        raise UnreadableSource(
            f"a date needs a year; column {shown(cells.column)} has {shown(cells.text[at[0]])}, and such dates are "
            "no even series of months. Write dates as 2021-03-04."
        )


def _store_serials(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store the serial days of spreadsheets: 46346 is 2026-11-20, 46346.5 its noon."""
    days = _whole(groups["serial"], 0)
    inside = (days >= _SERIALS[0]) & (days < _SERIALS[1])
    if not inside.any():
        return
    at, days = at[inside], days[inside]
    parts = np.array([float(f"0.{part or 0}") for part in groups["part"]])[inside]
    unix, excel = days.max().astype("datetime64[D]"), np.datetime64("1899-12-30") + days.max()
    if excel < np.datetime64("1968-01-01"):
        raise UnreadableSource(
            f"a count of days must say where it begins; column {shown(cells.column)} has {days.max()}, which is "
            f"{excel} in a spreadsheet and {unix} if counted since 1970. Write dates as 2021-03-04."
        )
    cells.seconds[at] = (np.datetime64("1899-12-30", "s") + days * 86_400) + np.rint(parts * 86_400).astype(np.int64)
    day = cells.seconds[at[-1]].astype("datetime64[D]")
    cells.findings.note(f"read dates such as {cells.text[at[-1]]} as a spreadsheet's serial day, here {day}.")


def _store_epochs(cells: _Cells, at: np.ndarray, groups: Groups) -> None:
    """Store counts since 1970."""
    words = [word or "" for word in groups["ticks"]]
    digits = np.array([len(word.lstrip("-")) for word in words])
    count = np.array([min(max(int(word), -(2**62)), 2**62) for word in words], dtype=np.int64)
    cells.seconds[at], cells.nanos[at], unit = _since_1970(count, digits)
    cells.findings.note(f"read dates such as {words[0]} as {_UNITS[int(unit[0])]} since 1970.")


def _drop_zones(cells: _Cells) -> None:
    """Times with a zone keep their local time.

    They become UTC where a local time stands for two moments, or where they are counted from Greenwich (GMT+0100).
    """
    wall = cells.seconds[cells.zoned]
    moment = wall - cells.offsets[cells.zoned]
    midnight = bool((wall == wall.astype("datetime64[D]")).all())
    repeats = len(np.unique(wall)) != len(np.unique(moment))
    if midnight or not (repeats or cells.from_greenwich):
        cells.findings.note("kept the local time of dates with a time zone and dropped the zone.")
        return
    why = "because the local clock repeats an hour" if repeats else "from which they count"
    cells.findings.note(f"converted times with a time zone to UTC, {why}.")
    cells.seconds[cells.zoned] = moment
