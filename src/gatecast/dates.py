"""From date cells of any common spelling to timestamps; the order of day and month is decided by the whole column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.findings import shown
from gatecast.grids import Column

_CLOCK = r"(?:[T ,]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.(?P<frac>\d{1,9})\d*)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<name>(?:{'|'.join(_MONTHS)})[a-z]*)\.?"
_NUMBERED = rf"^(?P<a>\d{{1,2}})(?P<sep>[/.\-])(?P<b>\d{{1,2}})(?P=sep)(?P<c>\d{{4}}|\d{{2}}){_CLOCK}{_ZONE}$"
_SPELLINGS = (  # each with year, month and day by name
    rf"^(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_CLOCK}{_ZONE}$",
    r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:[T ]?(?P<H>\d{2}):?(?P<M>\d{2}):?(?P<S>\d{2})?)?" + _ZONE + "$",
    rf"(?i)^{_WEEKDAY}{_MONTH}[ \-]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[ \-]+(?P<y>\d{{4}}|\d{{2}}){_CLOCK}{_ZONE}$",
    rf"(?i)^{_WEEKDAY}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ \-/.]*{_MONTH},?[ \-/.]*(?P<y>\d{{4}}|\d{{2}}){_CLOCK}{_ZONE}$",
    r"^(?P<y>\d{4})[-/](?P<m>\d{1,2})$",
)
_COMPACT = 1  # position in _SPELLINGS of the one that a count of seconds could be mistaken for
_EPOCH = r"^(?P<ticks>-?\d{9,19})(?:\.\d*)?$"
_NS = np.timedelta64(1, "ns")
FIRST, LAST = np.datetime64("1800-01-01", "s"), np.datetime64("2200-01-01", "s")


@dataclass(frozen=True)
class Dates:
    """Timestamps `datetime64[ns]`, NaT where the cell is blank, unreadable or outside 1800..2200."""

    stamps: np.ndarray
    unreadable: np.ndarray  # cells that hold something which is no date
    outside: np.ndarray  # dates before 1800 or from 2200
    notes: tuple[str, ...] = ()


def parse_dates(column: Column, name: str) -> Dates:
    """The dates of a column; raises `UnreadableSource` where day and month can't be told apart.

    >>> parse_dates(pa.chunked_array([["03/04/2021", "13/04/2021"]]), "date").stamps.astype("M8[D]").tolist()[0]
    datetime.date(2021, 4, 3)
    """
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "M":
            return _finish(column.astype("datetime64[s]"), column, np.zeros(len(column), bool), ())
        whole = np.isfinite(column) & (column == np.floor(column)) & (np.abs(column) < 2**62)
        words = [
            str(int(cell)) if good else ("" if cell != cell else str(cell))
            for cell, good in zip(column, whole, strict=True)
        ]
        column = pa.chunked_array([pa.array(words, type=pa.large_string())])
    coded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    cells = pd.Series(coded.dictionary.to_pylist(), dtype=object)
    seconds, nanos, notes = _parse_cells(cells, name)
    blank = cells.str.lower().isin({"", "nan", "nat", "null", "none", "n/a", "-"}).to_numpy(dtype=bool)
    codes = coded.indices.to_numpy()
    unreadable = np.isnat(seconds) & ~blank
    inside = (seconds >= FIRST) & (seconds < LAST)
    exact = np.where(inside, seconds, np.datetime64("NaT")).astype("datetime64[ns]") + nanos * _NS
    return _finish(seconds[codes], exact[codes], unreadable[codes], notes)


def _finish(seconds: np.ndarray, exact: np.ndarray, unreadable: np.ndarray, notes: tuple[str, ...]) -> Dates:
    outside = ~np.isnat(seconds) & ~((seconds >= FIRST) & (seconds < LAST))
    stamps = np.where(outside, np.datetime64("NaT"), exact).astype("datetime64[ns]")
    return Dates(stamps, unreadable, outside, notes)


def _parse_cells(cells: pd.Series, name: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Seconds and nanoseconds of each distinct cell, NaT where none of the spellings fits."""
    seconds = np.full(len(cells), np.datetime64("NaT"), dtype="datetime64[s]")
    nanos = np.zeros(len(cells), dtype=np.int64)
    offsets = np.zeros(len(cells), dtype=np.int64)
    zoned = np.zeros(len(cells), dtype=bool)
    notes: list[str] = []
    for spelling in _SPELLINGS:
        left = np.flatnonzero(np.isnat(seconds))
        if len(left) == 0:
            break
        parts = cells.iloc[left].str.extract(spelling)
        _place(parts, left, seconds, nanos, offsets, zoned)
    left = np.flatnonzero(np.isnat(seconds))
    if len(left):
        parts = _ordered(cells.iloc[left].str.extract(_NUMBERED), cells.iloc[left], name, notes)
        _place(parts, left, seconds, nanos, offsets, zoned)
    _epochs(cells, seconds, nanos, notes)
    if zoned.any():
        seconds = _local(seconds, offsets, zoned, notes)
    return seconds, nanos, tuple(notes)


def _place(
    parts: pd.DataFrame,
    at: np.ndarray,
    seconds: np.ndarray,
    nanos: np.ndarray,
    offsets: np.ndarray,
    zoned: np.ndarray,
) -> None:
    """Write what the pattern found into the arrays; a date that does not exist (31 June) stays NaT."""
    fits = parts["y"].notna().to_numpy()
    if not fits.any():
        return
    parts, at = parts[fits], at[fits]
    year = _whole(parts, "y", 0)
    short = (parts["y"].str.len() == 2).to_numpy()
    year = np.where(short, year + np.where(year >= 69, 1900, 2000), year)  # POSIX: 69..99 are 19xx
    if "name" in parts:
        month = (
            parts["name"]
            .str[:3]
            .str.lower()
            .map({one: i + 1 for i, one in enumerate(_MONTHS)})
            .to_numpy(dtype=np.int64)
        )
    else:
        month = _whole(parts, "m", 1)
    day, hour, minute, second = (
        _whole(parts, key, default) for key, default in (("d", 1), ("H", 0), ("M", 0), ("S", 0))
    )
    if "half" in parts:
        half = parts["half"].str[0].str.lower()
        afternoon, morning = (half == "p").to_numpy(dtype=bool), (half == "a").to_numpy(dtype=bool)
        hour = np.where(afternoon & (hour < 12), hour + 12, np.where(morning & (hour == 12), 0, hour))
    first = (np.clip(year, 1, 9999) - 1970).astype("datetime64[Y]").astype("datetime64[M]") + np.clip(
        month - 1, 0, 11
    )
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
    real = (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    real &= (hour < 24) & (minute < 60) & (second < 60)
    stamp = (
        first.astype("datetime64[D]").astype("datetime64[s]")
        + (day - 1) * 86_400
        + hour * 3600
        + minute * 60
        + second
    )
    seconds[at[real]] = stamp[real]
    if "frac" in parts:
        nanos[at] = parts["frac"].fillna("0").str.ljust(9, "0").to_numpy(dtype=np.int64)
    if "zone" in parts:
        zone = parts["zone"]
        zoned[at] = zone.notna().to_numpy() & real
        digits = zone.where(zone.str[0].isin(["+", "-"]), "+0000").str.replace(":", "")
        minutes = digits.str[1:3].to_numpy(dtype=np.int64) * 60 + digits.str[3:5].to_numpy(dtype=np.int64)
        offsets[at] = np.where((digits.str[0] == "-").to_numpy(dtype=bool), -minutes, minutes) * 60


def _whole(parts: pd.DataFrame, key: str, default: int) -> np.ndarray:
    if key not in parts:
        return np.full(len(parts), default, dtype=np.int64)
    return parts[key].fillna(str(default)).to_numpy(dtype=np.int64)


def _ordered(parts: pd.DataFrame, cells: pd.Series, name: str, notes: list[str]) -> pd.DataFrame:
    """Name the two leading numbers of `03/04/2021` day and month: whichever order every cell allows, if only one does."""
    fits = parts["a"].notna().to_numpy()
    parts = parts.assign(y=parts["c"], m=parts["a"], d=parts["b"])
    if not fits.any():
        return parts
    a, b = _whole(parts[fits], "a", 1), _whole(parts[fits], "b", 1)
    day_first, month_first = bool((b <= 12).all()), bool((a <= 12).all())
    if day_first and month_first and (a != b).any():
        cell = shown(cells[fits].iloc[int((a != b).argmax())])
        raise UnreadableSource(
            f"day and month must be told apart; nothing in column {shown(name)} says which comes first in {cell}. "
            "Write the dates as 2021-03-04."
        )
    if not day_first and not month_first:
        # A few odd cells do not turn the order of a whole column: they stay unreadable and are named.
        day_first = bool((a > 12).sum() >= (b > 12).sum())
        odd = (b > 12) if day_first else (a > 12)
        if odd.mean() > 0.05:
            first, second = cells[fits].iloc[int((a > 12).argmax())], cells[fits].iloc[int((b > 12).argmax())]
            raise UnreadableSource(
                f"day and month must keep one order; column {shown(name)} has {shown(first)} and {shown(second)}. "
                "Write the dates as 2021-03-04."
            )
    if day_first:
        parts = parts.assign(m=parts["b"], d=parts["a"])
    if (a != b).any():
        notes.append(f"read dates such as {cells[fits].iloc[0]} as {'day' if day_first else 'month'} first.")
    return parts


def _epochs(cells: pd.Series, seconds: np.ndarray, nanos: np.ndarray, notes: list[str]) -> None:
    """Counts since 1970: 9 or 10 digits are seconds, 11-13 milliseconds, 14-16 microseconds, more nanoseconds."""
    left = np.flatnonzero(np.isnat(seconds))
    if len(left) == 0:
        return
    text = cells.iloc[left].str.extract(_EPOCH)["ticks"]
    fits = text.notna().to_numpy()
    if not fits.any():
        return
    digits = text[fits].str.lstrip("-").str.len().to_numpy(dtype=np.int64)
    ticks = pd.to_numeric(text[fits], errors="coerce").fillna(2**62).to_numpy(dtype=np.int64)
    unit = np.select([digits <= 10, digits <= 13, digits <= 16], [1, 10**3, 10**6], 10**9)
    seconds[left[fits]] = (ticks // unit).astype("datetime64[s]")
    nanos[left[fits]] = (ticks % unit) * (10**9 // unit)
    names = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
    notes.append(f"read dates such as {text[fits].iloc[0]} as {names[int(unit[0])]} since 1970.")


def _local(seconds: np.ndarray, offsets: np.ndarray, zoned: np.ndarray, notes: list[str]) -> np.ndarray:
    """Times with a zone as the wall time they write; as universal time where a wall time would stand for two moments."""
    wall, moment = seconds[zoned], seconds[zoned] - offsets[zoned]
    midnight = bool((wall == wall.astype("datetime64[D]")).all())
    if midnight or len(np.unique(wall)) == len(np.unique(moment)):
        notes.append("kept the local time of dates with a time zone and left the zone out.")
        return seconds
    notes.append("turned times with a time zone into universal time, for the local clock repeats an hour.")
    return np.where(zoned, seconds - offsets, seconds)
