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
    >>> find_clock((days.astype("M8[m]") + hours * 60 + 30).ravel().astype("M8[ns]")).kept
    'America/New_York'
    """
    recent = stamps[stamps > stamps[-1] - _HISTORY].astype("datetime64[ns]")
    weeks, used, seen = _usage(recent)
    best, least = Clock(), np.inf
    for recorded, kept in itertools.product(_RECORDERS, ("UTC", *_MARKETS)):
        if recorded == kept:
            continue
        shift = _offsets(kept, weeks) - _offsets(recorded, weeks)
        shift = shift - shift[-1]
        if not shift.any():
            continue
        moved = shift != 0
        before = _season_difference(used, seen, moved)
        if before < _LEAST_MOVED:
            continue
        at = (np.arange(_SLOTS) - shift[:, None]) % _SLOTS
        used_there, seen_there = np.take_along_axis(used, at, 1), np.take_along_axis(seen, at, 1)
        if _season_difference(used_there, seen_there, moved) > (1 - _EXPLAINED) * before:
            continue
        share, count = _shares(used_there, seen_there)
        unsteady = float((count * share * (1 - share)).sum())
        if unsteady < least:
            best, least = Clock(recorded, kept), unsteady
    return best


def _usage(
    stamps: np.ndarray,
) -> tuple[Int[np.ndarray, " week"], Bool[np.ndarray, "week slot"], Bool[np.ndarray, "week slot"]]:
    """The weeks from first to last, which slots of them have bars, and which lie on a day that has any."""
    slots = np.unique(stamps.astype("datetime64[m]").astype(np.int64) // _SLOT) + 4 * 24 * 60 // _SLOT  # from a Sunday
    first = int(slots[0] // _SLOTS)
    weeks = np.arange(first, int(slots[-1] // _SLOTS) + 1)
    places = slots - first * _SLOTS
    used = np.zeros(len(weeks) * _SLOTS, dtype=bool)
    used[places] = True
    seen = used.reshape(-1, _SLOTS // 7).any(axis=1).repeat(_SLOTS // 7)
    seen[: places[0]] = seen[places[-1] + 1 :] = False
    return weeks, used.reshape(len(weeks), _SLOTS), seen.reshape(len(weeks), _SLOTS)


def _shares(
    used: Bool[np.ndarray, "week slot"], seen: Bool[np.ndarray, "week slot"]
) -> tuple[Float[np.ndarray, " slot"], Int[np.ndarray, " slot"]]:
    """In which share of the weeks that show a slot it has bars, and how many weeks these are."""
    count = seen.sum(axis=0)
    return (used & seen).sum(axis=0) / np.maximum(count, 1), count


def _season_difference(
    used: Bool[np.ndarray, "week slot"], seen: Bool[np.ndarray, "week slot"], moved: Bool[np.ndarray, " week"]
) -> float:
    """By how much the use of the slots differs between two groups of weeks: the sum of squared differences."""
    (share, count), (other, others) = (_shares(used[weeks], seen[weeks]) for weeks in (moved, ~moved))
    return float(((share - other) ** 2)[(count > 0) & (others > 0)].sum())


def _offsets(zone: str, weeks: Int[np.ndarray, " week"]) -> Int[np.ndarray, " week"]:
    """Slots that a zone is ahead of UTC in each week, at noon of its Wednesday: clocks change at weekends."""
    return np.array([_offset(zone, week) for week in weeks.tolist()])


@functools.lru_cache(maxsize=10_000)
def _offset(zone: str, week: int) -> int:
    seconds = (week * 7 - 4) * 86_400 + 3.5 * 86_400
    offset = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60 / _SLOT)
