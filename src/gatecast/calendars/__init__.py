"""When a series trades: its frequency, its gaps, and its future timestamps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int

from gatecast.calendars.exchanges import off_calendar, open_calendar, sessions, weekday
from gatecast.calendars.holidays import likely_holidays
from gatecast.calendars.intraday import HOUR_NS, clock_text, future_bars
from gatecast.errors import UsageError
from gatecast.prices import PriceSeries

__all__ = [
    "Spacing",
    "clock_text",
    "describe",
    "future_timestamps",
    "gaps",
    "likely_holidays",
    "off_calendar",
    "open_calendar",
]

_DAY = np.timedelta64(1, "D")
_MONTH = np.timedelta64(1, "M")
_RECENT = 60  # rows that say which weekdays trade: a quarter of sessions
_END = np.datetime64("2200-01-01", "ns")


@dataclass(frozen=True)
class Spacing:
    """How a series is spaced. `freq` is B, D, h, W or M; `weekdays` are those that trade (Monday 0).

    `step` counts nanoseconds for h, days for W, months for M, and is 1 for B and D.
    """

    freq: Literal["B", "D", "h", "W", "M"]
    weekdays: tuple[int, ...]
    step: int = 1


def describe(timestamps: np.ndarray) -> Spacing:
    """The spacing of increasing timestamps; one row counts as a daily series.

    >>> describe(np.array(["2024-01-05", "2024-01-06", "2024-01-07"], "M8[ns]")).freq
    'D'
    """
    recent = timestamps[-2000:].astype("datetime64[ns]")
    daily = _daily(recent.astype("datetime64[D]"))
    if len(timestamps) < 2:
        return daily
    steps = np.diff(recent).astype(np.int64)
    middle = (len(steps) - 1) // 2, len(steps) // 2
    step = float(np.partition(steps, middle)[list(middle)].mean()) / (24 * HOUR_NS)  # the median
    if step < 20 / 24:
        return replace(daily, freq="h", step=max(1, round(step * 24 * HOUR_NS)))
    if step <= 4:
        return daily
    if step < 25:
        return replace(daily, freq="W", step=7 if step < 10 else round(step))
    return replace(daily, freq="M", step=max(1, round(step / 30.44)))


def _daily(days: np.ndarray) -> Spacing:
    """Which weekdays trade, by the last quarter: Monday to Friday unless a tenth lies on a weekend."""
    recent = days[-20 * _RECENT :]
    recent = weekday(recent[np.append(recent[1:] != recent[:-1], True)][-_RECENT:])
    share = np.bincount(recent, minlength=7) / len(recent)
    if share[5] + share[6] < 0.1:
        return Spacing("B", (0, 1, 2, 3, 4))
    if len(recent) < 20:
        return Spacing("D", tuple(range(7)))
    return Spacing("D", tuple(int(day) for day in np.flatnonzero(share > 0.05)))


def gaps(timestamps: np.ndarray) -> Int[np.ndarray, " steps"]:
    """Sessions (weeks or months for such data) that are missing between each row and the next; (T - 1,)."""
    spacing = describe(timestamps)
    if spacing.freq in ("W", "M"):
        days = timestamps.astype("datetime64[D]")
        units = days.astype("datetime64[M]") if spacing.freq == "M" else days
        return np.asarray(np.diff(units).astype(np.int64) // spacing.step - 1)
    missing = np.zeros(len(timestamps) - 1, dtype=np.int64)
    wide = np.flatnonzero(np.diff(timestamps) > _DAY)
    last, following = (timestamps[rows].astype("datetime64[D]") for rows in (wide, wide + 1))
    mask = [day in spacing.weekdays for day in range(7)]
    missing[wide] = np.maximum(np.busday_count(last + _DAY, following, weekmask=mask), 0)
    return missing


def future_timestamps(series: PriceSeries, horizon: int, calendar: str | None = None) -> np.ndarray:
    """The next `horizon` timestamps after the last of a series, increasing; `datetime64[ns]`, (horizon,).

    Sessions of `calendar` where one is named; else the weekdays the series trades on; intraday data keeps to
    the (weekday, time) slots of its last weeks on the market's own clock, which a change of the clocks does not move,
    and with a `calendar` to its hours, half days and breaks; weekly and monthly data keep their spacing, month ends
    too.
    Raises `UsageError` where the horizon is not positive or the calendar does not cover it.
    """
    if horizon < 1:
        raise UsageError(f"a horizon is at least 1 step; got {horizon}. Give, for example, 30.")
    stamps = series.timestamps
    spacing = describe(stamps)
    last = stamps[-1]
    if horizon * _shortest_step(spacing) > (_END - last).astype("timedelta64[D]").astype(float):
        raise UsageError(f"a forecast must end before 2200; {horizon} steps end later. Give a shorter horizon.")
    if spacing.freq == "M":
        future = _months(stamps, horizon, spacing.step)
    elif spacing.freq == "W":
        future = _weeks(stamps, horizon, spacing.step)
    elif spacing.freq == "h":
        future = future_bars(stamps, horizon, spacing.step, spacing.weekdays, calendar)
    else:
        first = last.astype("datetime64[D]") + _DAY
        if calendar is not None:
            days = sessions(calendar, first, first + (int(horizon * 1.6) + 30) * _DAY)
        else:
            mask = [day in spacing.weekdays for day in range(7)]
            days = np.busday_offset(first, np.arange(horizon), roll="forward", weekmask=mask)
        future = days.astype("datetime64[ns]") + (last - last.astype("datetime64[D]"))
    return np.asarray(future[:horizon].astype("datetime64[ns]"))


def _shortest_step(spacing: Spacing) -> float:
    """The fewest days that a step takes; a forecast that cannot end before 2200 is refused by it."""
    step, weekdays = spacing.step, len(spacing.weekdays)
    return {"h": step / (24 * HOUR_NS), "B": 1.5, "D": 7 / weekdays, "W": float(step), "M": 31.0 * step}[spacing.freq]


def _weeks(stamps: np.ndarray, horizon: int, step: int) -> np.ndarray:
    """Every `step` days, on the weekday that weekly rows usually have: a holiday may have moved the last."""
    last = stamps[-1]
    if step == 7:
        usual = int(np.bincount(weekday(stamps[-_RECENT:]), minlength=7).argmax())
        shift = (usual - int(weekday(last.reshape(1))[0]) + 3) % 7 - 3  # the nearest such day
        last = last + shift * _DAY
    return np.asarray(last + step * _DAY * np.arange(1, horizon + 1))


def _months(stamps: np.ndarray, horizon: int, step: int) -> np.ndarray:
    """Every `step` months: month ends, first or last business days where usual, else the usual day."""
    days = stamps[-_RECENT:].astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first, last = _first_and_last_day(months)
    starts, ends = _first_and_last_day(months[-1] + step * _MONTH * np.arange(1, horizon + 1))
    if np.mean(days == last) > 0.9:
        future = ends
    elif np.mean(days == np.busday_offset(last, 0, roll="backward")) > 0.7:
        future = np.busday_offset(ends, 0, roll="backward")
    elif (days != first).any() and np.mean(days == np.busday_offset(first, 0, roll="forward")) > 0.7:
        future = np.busday_offset(starts, 0, roll="forward")
    else:
        usual = int(np.bincount((days - first).astype(np.int64)).argmax())
        future = np.minimum(starts + usual * _DAY, ends)
    return np.asarray(future.astype("datetime64[ns]") + (stamps[-1] - stamps[-1].astype("datetime64[D]")))


def _first_and_last_day(months: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return months.astype("datetime64[D]"), (months + _MONTH).astype("datetime64[D]") - _DAY
