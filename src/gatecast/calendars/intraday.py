"""Bars within a day: on the times of day of the last weeks, by the market's own clock."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from gatecast.calendars.clocks import Clock, find_clock
from gatecast.calendars.exchanges import exchange_clock, sessions, trading_hours, weekday

HOUR_NS = 3_600_000_000_000
_RECENT_DAYS = 35  # of bars that say which hours trade: five weeks, so that one holiday drops no slot


def future_bars(
    stamps: np.ndarray, horizon: int, step: int, weekdays: tuple[int, ...], calendar: str | None
) -> np.ndarray:
    """The next `horizon` bars after the last, as the source would write them; `step` in nanoseconds."""
    clock, fits = (find_clock(stamps), False) if calendar is None else exchange_clock(stamps, calendar)
    recent = clock.local(stamps[stamps > stamps[-1] - np.timedelta64(_RECENT_DAYS, "D")])
    if calendar is not None and fits:
        return _in_hours(stamps, recent, horizon, clock, calendar)
    local = _on_slots(recent, horizon, step, weekdays, calendar)
    future = np.unique(clock.written(local))
    return np.asarray(future[future > stamps[-1]])


def clock_text(stamps: np.ndarray, calendar: str | None) -> str | None:
    """What a reader should know of the clock of intraday bars, in a sentence; None where they are taken as written."""
    clock, fits = (find_clock(stamps), False) if calendar is None else exchange_clock(stamps, calendar)
    if clock.recorded == clock.kept:
        short = f"most bars must lie in the hours of {calendar} to follow them; here only its days are followed."
        return None if calendar is None or fits else short
    written = "one without summer time, such as UTC" if clock.recorded == "UTC" else f"that of {_city(clock.recorded)}"
    if fits:
        return f"the times fit the sessions of {calendar} on this clock and are read so: {written}."
    return (
        f"the sessions keep the clock of {_city(clock.kept)}, and the times are written on another, {written}: future "
        "bars move with the sessions when the clocks change."
    )


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def _in_hours(stamps: np.ndarray, recent: np.ndarray, horizon: int, clock: Clock, calendar: str) -> np.ndarray:
    """The usual times of day inside the sessions of an exchange, which knows half days and breaks."""
    days = recent.astype("datetime64[D]")
    times, counts = np.unique(recent - days, return_counts=True)
    times = times[_regular(counts)]
    utc = Clock("UTC", clock.kept)
    known = utc.written(recent)
    hours = trading_hours(calendar, known[0], known[-1])
    bounds = hours.bounds(known)
    count = 10 + 2 * horizon // len(times)
    while True:
        ahead = (days[-1] + np.arange(-1, count))[:, None].astype("datetime64[ns]")
        moments = np.unique(utc.written((ahead + times).ravel()))
        moments = moments[moments > known[-1]]
        future = moments[trading_hours(calendar, moments[0], moments[-1]).hold(moments, **bounds)]
        if len(future) >= horizon:
            return Clock("UTC", clock.recorded).local(future)
        count *= 2


def _on_slots(
    recent: np.ndarray, horizon: int, step: int, weekdays: tuple[int, ...], calendar: str | None
) -> np.ndarray:
    """The (weekday, time) slots that the last weeks used, after the last of these bars; on sessions of a calendar."""
    last = recent[-1]
    days = recent.astype("datetime64[D]")
    weeks = (last - recent[0]) / np.timedelta64(7, "D")
    times, slot, rows_at = np.unique(recent - days, return_inverse=True, return_counts=True)
    if calendar is not None or weeks < 2:  # too little history to distinguish Monday's hours from Tuesday's
        used = np.ones((7, len(times)), dtype=bool)
        used[[day for day in range(7) if day not in weekdays]] = calendar is not None
        used[np.unique(weekday(days))] = True
    else:
        count = np.zeros((7, len(times)), dtype=np.int64)
        np.add.at(count, (weekday(days), slot), 1)
        used = count >= max(1, weeks / 3)
    used &= _regular(rows_at)
    per_week = int(used.sum())
    if per_week == 0:
        return np.asarray(last + np.timedelta64(step, "ns") * np.arange(1, horizon + 1))
    first = last.astype("datetime64[D]")
    if calendar is None:
        ahead = first + np.arange(7 * (horizon // per_week + 3))
    else:
        length = np.timedelta64(10 + int(2 * 7 * horizon / per_week), "D")
        ahead = sessions(calendar, first, first + length)
    grid = (ahead[:, None].astype("datetime64[ns]") + times)[used[weekday(ahead)]]
    return np.asarray(grid[grid > last])


def _regular(counts: np.ndarray) -> Bool[np.ndarray, " time"]:
    """Which times of day are usual: a rare one, such as a late trade at 14:03, is no regular bar."""
    return np.asarray(counts * 10 >= counts.max())
