"""Unusual days recur on the calendar: a company reports every quarter, and its price moves on that day.

A day's activity is its move against its usual move times its volume against its usual volume. The activity 13, 26, 39
and 52 weeks before a day to come (and on the days around) predicts the size of its move. This holds for series that
trade five days a week with ranges and volumes; for others every event feature is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gatecast.calendars import describe
from gatecast.features.contract import FLOOR
from gatecast.features.signals import Moves
from gatecast.prices import PriceSeries

LAGS = (84, 90, 91, 92, 98, 175, 181, 182, 183, 189, 272, 273, 274, 357, 363, 364, 365, 371)  # calendar days
QUARTERS = (91, 182, 273, 364)
EVENT = 4.0  # an activity that counts as an event
WAITS = (8, 40, 77, 85, 91, 92, 99, 130)  # edges, in calendar days since the last event
USUAL = 64  # moves before a day that say what is usual
PATTERNS = 9  # products of the quarters' activity
EVENTS = len(LAGS) + PATTERNS + len(WAITS) + 1
SUMMARY = 4  # of the patterns, what the network also remembers of a day that has passed
_NEVER = -(10**6)


@dataclass(frozen=True, kw_only=True)
class EventCalendar:
    """The activity of a series' past days. `days` are calendar days since 1970; both are (time,)."""

    days: Int[np.ndarray, " time"]
    activity: Float[np.ndarray, " time"]

    @classmethod
    def of(cls, series: PriceSeries, moves: Moves) -> EventCalendar | None:
        """The calendar of a series; None where days do not recur: no range, no volume, or no five-day week."""
        if moves.day_range is None or moves.log_volume is None or not recurs(series.timestamps):
            return None
        size = np.abs(moves.log_return)
        move = np.clip(size / np.maximum(_usual(size), FLOOR), 0, 8)
        trade = np.clip(moves.log_volume - _usual(moves.log_volume), 0, 2)
        days = series.timestamps[1:].astype("datetime64[D]").astype(np.int64)
        return cls(days=days, activity=np.nan_to_num(move * trade))

    def events(
        self, targets: Int[np.ndarray, " target"], known: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "target event"]:
        """What the past says of each target day, from the rows up to `known` alone.

        Every lag is at least 84 days, so the activity it looks up lies before any target within a quarter of the
        present.
        """
        first = self.days[0]
        calendar = np.zeros(int(self.days[-1] - first) + 1)
        calendar[self.days - first] = np.log1p(self.activity)
        place = targets[:, None] - np.array(LAGS) - first
        past = (targets[:, None] - np.array(LAGS) <= self.days[known][:, None]) & (place >= 0)
        lagged = np.where(past, calendar[np.clip(place, 0, len(calendar) - 1)], 0.0)
        wait = targets - np.maximum.accumulate(np.where(self.activity > EVENT, self.days, _NEVER))[known]
        waiting = np.eye(len(WAITS) + 1)[np.digitize(wait, WAITS)]
        return np.hstack([lagged, _patterns(lagged), waiting])


def recurs(timestamps: np.ndarray) -> bool:
    """Whether days recur: a five-day week."""
    return describe(timestamps).freq == "B"


def _usual(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """The mean of the USUAL values before each value; NaN where there are fewer."""
    usual = np.full(len(values), np.nan)
    if len(values) > USUAL:
        usual[USUAL:] = np.convolve(values, np.full(USUAL, 1 / USUAL), "valid")[:-1]
    return usual


def _patterns(lagged: Float[np.ndarray, "target lag"]) -> Float[np.ndarray, "target pattern"]:
    """Products that are large where several quarters were unusual on the same day."""
    at = {lag: lagged[:, place] for place, lag in enumerate(LAGS)}
    a, b, c, y = (at[lag] for lag in QUARTERS)
    near = sum(np.maximum(at[lag], np.maximum(at[lag - 1], at[lag + 1])) for lag in QUARTERS)
    total, wide = a + b + c + y, np.asarray(near)
    sizes = [total**2 / 4, wide**2 / 4, np.maximum(total - 3, 0), np.maximum(wide - 5, 0)]
    return np.stack([a * b, a * y, b * y, c * y, a * c, *sizes], axis=1)


def summary(events: Float[np.ndarray, "*row event"]) -> Float[np.ndarray, "*row summary"]:
    """Four numbers that say how expected a day's activity was; the network remembers them with the day."""
    patterns = events[..., len(LAGS) : len(LAGS) + PATTERNS]
    return np.asarray(np.clip(patterns[..., -SUMMARY:] / np.array([4.0, 4.0, 3.0, 3.0]), 0, 5))


def history_events(calendar: EventCalendar | None, rows: int, first: int = 0) -> Float[np.ndarray, "time event"]:
    """The event features of the day after each row from `first` up to `rows`, as known there; zeros without a calendar.

    The day after the last of all rows is not known here: it is taken to be the next calendar day.
    """
    if calendar is None:
        return np.zeros((rows - first, EVENTS))
    targets = np.append(calendar.days[1:], calendar.days[-1] + 1)
    return calendar.events(targets[first:rows], np.arange(first, rows))


def future_events(calendar: EventCalendar | None, future: np.ndarray) -> Float[np.ndarray, "horizon event"]:
    """The event features of each timestamp to come, with what is known at the last row; zeros without a calendar."""
    if calendar is None:
        return np.zeros((len(future), EVENTS))
    targets = future.astype("datetime64[D]").astype(np.int64)
    return calendar.events(targets, np.full(len(future), len(calendar.days) - 1))
