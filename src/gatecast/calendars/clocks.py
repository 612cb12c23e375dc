"""Which clock a market keeps: its sessions stand still there, while those of another clock move twice a year."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

_SLOT = 15  # minutes; every offset of a zone today is a multiple
_SLOTS = 7 * 24 * 60 // _SLOT  # of a week, from Sunday midnight
_HISTORY = np.timedelta64(400, "D")  # both clock changes of a year
_LEAST_MOVED = 0.5  # slots of a week, by squares, that differ between the seasons: below it nothing has moved
_EXPLAINED = 0.5  # of the difference at least: random gaps lie elsewhere in both seasons, on any clock

# A zone for each rule of summer time; others of the rule (Chicago, Paris) change on the same days.
_MARKETS = (
    "America/New_York", "Europe/London", "Australia/Sydney", "Pacific/Auckland", "America/Sao_Paulo",
    "America/Mexico_City", "America/Santiago", "Asia/Jerusalem", "Africa/Cairo",
)  # fmt: skip
_RECORDERS = ("UTC", "Europe/London", "America/New_York", "Australia/Sydney")


@dataclass(frozen=True)
class Clock:
    """Timestamps are written in the zone `recorded`; sessions keep to the clock of the zone `kept`."""

    recorded: str = "UTC"
    kept: str = "UTC"

    def local(self, stamps: np.ndarray) -> np.ndarray:
        """Timestamps as the kept clock shows them; `datetime64[ns]`."""
        return _converted(stamps, self.recorded, self.kept)

    def written(self, local: np.ndarray) -> np.ndarray:
        """Times of the kept clock as the source would write them; an hour that spring skips counts as the next."""
        return _converted(local, self.kept, self.recorded)


def _converted(stamps: np.ndarray, source: str, target: str) -> np.ndarray:
    if source == target:
        return np.asarray(stamps, dtype="datetime64[ns]")
    later = np.zeros(len(stamps), dtype=bool)  # of an hour that autumn repeats, the one in winter time
    wall = pd.DatetimeIndex(stamps).tz_localize(source, ambiguous=later, nonexistent="shift_forward")
    return np.asarray(wall.tz_convert(target).tz_localize(None).to_numpy(dtype="datetime64[ns]"))


def find_clock(stamps: np.ndarray) -> Clock:
    """The clock on which the bars of the last 400 days recur from week to week; as written, where none does better.

    A zone is taken where the weeks before a change of its clock use other times of the week than those after it, and
    most of that difference is gone on its clock. Only these timestamps decide, so the future does not matter.

    >>> days = np.arange("2026-10-19", "2026-11-14", dtype="M8[D]")[:, None]
    >>> hours = np.arange(7) + np.where(days < np.datetime64("2026-11-01"), 13, 14)  # 9:30 to 15:30 in New York
    >>> find_clock((days.astype("M8[m]") + (hours * 60 + 30)).ravel().astype("M8[ns]")).kept
    'America/New_York'
    """
    recent = stamps[np.searchsorted(stamps, stamps[-1] - _HISTORY, side="right") :]
    weeks, used, seen = _usage(recent.astype("datetime64[ns]"))
    best, least, tried = Clock(), np.inf, set()
    for recorded, kept in itertools.product(_RECORDERS, ("UTC", *_MARKETS)):
        shift = _offsets(kept, *weeks) - _offsets(recorded, *weeks)
        shift = shift - shift[-1]
        if not shift.any() or shift.tobytes() in tried:
            continue
        tried.add(shift.tobytes())
        seasons = np.unique(shift)
        of_season = (seasons[:, None] == shift).astype(np.float32)
        bars, days = of_season @ used, of_season @ seen
        before = _difference(bars, days, seasons != 0)
        if before < _LEAST_MOVED:
            continue
        bars, days = (_rolled(rows, seasons) for rows in (bars, days))
        if _difference(bars, days, seasons != 0) > (1 - _EXPLAINED) * before:
            continue
        count = days.sum(axis=0)
        share = bars.sum(axis=0) / np.maximum(count, 1)
        unsteady = float((count * share * (1 - share)).sum())
        if unsteady < least:
            best, least = Clock(recorded, kept), unsteady
    return best


def _usage(
    stamps: np.ndarray,
) -> tuple[tuple[int, int], Float[np.ndarray, "week slot"], Float[np.ndarray, "week slot"]]:
    """The first and the last week, which slots of each have bars (1), and which lie on a day that has any (1)."""
    slots = np.unique(stamps.astype("datetime64[m]").astype(np.int64) // _SLOT) + 4 * 24 * 60 // _SLOT  # from a Sunday
    first, last = int(slots[0] // _SLOTS), int(slots[-1] // _SLOTS)
    places = slots - first * _SLOTS
    used = np.zeros((last - first + 1) * _SLOTS, dtype=np.float32)
    used[places] = 1
    seen = used.reshape(-1, _SLOTS // 7).max(axis=1).repeat(_SLOTS // 7)
    seen[: places[0]] = seen[places[-1] + 1 :] = 0
    return (first, last), used.reshape(-1, _SLOTS), seen.reshape(-1, _SLOTS)


def _rolled(rows: Float[np.ndarray, "season slot"], shift: Int[np.ndarray, " season"]) -> np.ndarray:
    return np.stack([np.roll(row, slots) for row, slots in zip(rows, shift, strict=True)])


def _difference(
    bars: Float[np.ndarray, "season slot"], days: Float[np.ndarray, "season slot"], moved: Bool[np.ndarray, " season"]
) -> float:
    """By how much the use of the slots differs between two groups of seasons: the sum of squared differences."""
    counts = days[moved].sum(axis=0), days[~moved].sum(axis=0)
    shares = [bars[group].sum(axis=0) / np.maximum(n, 1) for group, n in zip((moved, ~moved), counts, strict=True)]
    return float(((shares[0] - shares[1]) ** 2)[(counts[0] > 0) & (counts[1] > 0)].sum())


@functools.lru_cache(maxsize=1000)
def _offsets(zone: str, first: int, last: int) -> Int[np.ndarray, " week"]:
    """Slots that a zone is ahead of UTC in each week, at noon of its Wednesday: clocks change at weekends."""
    return np.array([_offset(zone, week) for week in range(first, last + 1)])


@functools.lru_cache(maxsize=10_000)
def _offset(zone: str, week: int) -> int:
    seconds = (week * 7 - 4) * 86_400 + 3.5 * 86_400
    offset = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60 / _SLOT)
