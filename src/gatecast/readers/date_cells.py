"""Cells of a column of dates, and how the parts of a spelling become a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Int

from gatecast.readers import spellings
from gatecast.readers.findings import Findings

NAT = np.datetime64("NaT", "s")
UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
BLANKS = {"", "nan", "nat", "null", "none", "n/a", "-"}

Groups: TypeAlias = Mapping[str, Sequence[str | None]]  # of a spelling, for each cell that it fits


class Cells:
    """Distinct cells of a column and their times; NaT while no spelling fits."""

    def __init__(self, text: list[str], column: str, findings: Findings, day_first: bool | None) -> None:
        self.text, self.column, self.findings, self.day_first = text, column, findings, day_first
        self.seconds = np.full(len(text), NAT, dtype="datetime64[s]")
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


def whole(words: Iterable[str | None], default: int) -> Int[np.ndarray, " cells"]:
    """Whole numbers of words; `default` where a word is absent."""
    return np.array([default if word is None else int(word) for word in words], dtype=np.int64)


def store(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store the times that a spelling gives; a date that does not exist (31 June) stays NaT."""
    absent: list[str | None] = [None] * len(at)
    year, day = whole(groups["y"], 0), whole(groups.get("d", absent), 1)
    short = np.array([len(word or "") == 2 for word in groups["y"]])
    year = np.where(short, year + np.where(year >= 69, 1900, 2000), year)  # POSIX: 69..99 are 19xx
    if "name" in groups:
        month = np.array(spellings.month_numbers(groups["name"]), dtype=np.int64)
    else:
        month = whole(groups.get("m", absent), 1)
    hour, minute, second = (whole(groups.get(key, absent), 0) for key in "HMS")
    half = np.array([(word or " ")[0].lower() for word in groups.get("half", absent)])
    hour = np.where((half == "p") & (hour < 12), hour + 12, np.where((half == "a") & (hour == 12), 0, hour))
    months = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month - 1, 0, 11)
    first = months.astype("datetime64[M]")
    length = ((first + np.timedelta64(1, "M")).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
    real = (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    real &= (hour < 24) & (minute < 60) & (second < 60)
    since = (day - 1) * 86_400 + hour * 3600 + minute * 60 + second
    cells.seconds[at[real]] = (first.astype("datetime64[s]") + since)[real]
    cells.nanos[at] = whole(((word or "0").ljust(9, "0") for word in groups.get("frac", absent)), 0)
    zones = groups.get("zone", absent)
    for row, zone in zip(at.tolist(), zones, strict=True):
        if zone is None or cells.seconds[row] != cells.seconds[row]:
            continue
        offset = spellings.offset_of(zone, cells.seconds[row].item())
        if offset is None:
            cells.seconds[row] = NAT
        else:
            cells.zoned[row], cells.offsets[row] = True, offset
            cells.from_greenwich |= offset != 0 and zone[:3].upper() in ("GMT", "UTC")


def since_1970(count: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds, nanoseconds beyond them, and units in a second: 9-10 digits are seconds, 11-13 milli-, 14-16 micro-."""
    unit = np.select([digits <= 10, digits <= 13, digits <= 16], [1, 10**3, 10**6], 10**9)
    return (count // unit).astype("datetime64[s]"), (count % unit) * (10**9 // unit), unit
