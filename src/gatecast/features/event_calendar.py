"""Unusual days come back on the calendar: a company reports every quarter, and moves on that day.

A day's unrest is its move against its usual moves times its volume against its usual volume. For a day to come, the
unrest 13, 26, 39 and 52 weeks before (and the days about them) foretells its size. This holds for series that
trade five days a week with ranges and volumes; for others every echo is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gatecast.calendars import describe
from gatecast.features.indicators import FLOOR
from gatecast.features.signals import Moves
from gatecast.prices import PriceSeries

LAGS = (84, 90, 91, 92, 98, 175, 181, 182, 183, 189, 272, 273, 274, 357, 363, 364, 365, 371)  # calendar days
QUARTERS = (91, 182, 273, 364)
EVENT = 4.0  # an unrest that counts as an event
WAITS = (8, 40, 77, 85, 91, 92, 99, 130)  # edges, in calendar days since the last event
USUAL = 64  # moves before a day that say what is usual
HABITS = 9  # products of the quarters' unrest
ECHOES = len(LAGS) + HABITS + len(WAITS) + 1
SUMMARY = 4  # of the habits, what the network also remembers of a day that has come
_NEVER = -(10**6)


@dataclass(frozen=True, kw_only=True)
class Almanac:
    """The unrest of a series' past days. `days` are calendar days since 1970; both are (time,)."""

    days: Int[np.ndarray, " time"]
    unrest: Float[np.ndarray, " time"]

    @classmethod
    def of(cls, series: PriceSeries, moves: Moves) -> Almanac | None:
        """The almanac of a series; None where days do not come back: no range, no volume, or no five-day week."""
        if moves.day_range is None or moves.log_volume is None or describe(series.timestamps).freq != "B":
            return None
        size = np.abs(moves.log_return)
        move = np.clip(size / np.maximum(_usual(size), FLOOR), 0, 8)
        trade = np.clip(moves.log_volume - _usual(moves.log_volume), 0, 2)
        days = series.timestamps[1:].astype("datetime64[D]").astype(np.int64)
        return cls(days=days, unrest=np.nan_to_num(move * trade))

    def echoes(
        self, targets: Int[np.ndarray, " target"], known: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "target echo"]:
        """What the past says of each target day; of the row `known` and before it, the last event is taken.

        Every lag is at least 84 days, so the unrest it meets lies before any target within a quarter of the present.
        """
        first = self.days[0]
        calendar = np.zeros(int(self.days[-1] - first) + 1)
        calendar[self.days - first] = np.log1p(self.unrest)
        place = targets[:, None] - np.array(LAGS) - first
        past = (targets[:, None] - np.array(LAGS) <= self.days[known][:, None]) & (place >= 0)
        lagged = np.where(past, calendar[np.clip(place, 0, len(calendar) - 1)], 0.0)
        wait = targets - np.maximum.accumulate(np.where(self.unrest > EVENT, self.days, _NEVER))[known]
        waiting = np.eye(len(WAITS) + 1)[np.digitize(wait, WAITS)]
        return np.hstack([lagged, _habits(lagged), waiting])


def _usual(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """The mean of the USUAL values before each one; NaN where there are fewer."""
    usual = np.full(len(values), np.nan)
    if len(values) > USUAL:
        usual[USUAL:] = np.convolve(values, np.full(USUAL, 1 / USUAL), "valid")[:-1]
    return usual


def _habits(lagged: Float[np.ndarray, "target lag"]) -> Float[np.ndarray, "target habit"]:
    """Products that are large where several quarters were unusual on the same day."""
    at = {lag: lagged[:, place] for place, lag in enumerate(LAGS)}
    a, b, c, y = (at[lag] for lag in QUARTERS)
    near = sum(np.maximum(at[lag], np.maximum(at[lag - 1], at[lag + 1])) for lag in QUARTERS)
    total, wide = a + b + c + y, np.asarray(near)
    return np.stack(
        [
            a * b,
            a * y,
            b * y,
            c * y,
            a * c,
            total**2 / 4,
            wide**2 / 4,
            np.maximum(total - 3, 0),
            np.maximum(wide - 5, 0),
        ],
        axis=1,
    )


_SUMMARISED = [len(LAGS) + 5, len(LAGS) + 6, len(LAGS) + 7, len(LAGS) + 8]
_SUMMARY_UNITS = np.array([4.0, 4.0, 3.0, 3.0])


def summary(echoes: Float[np.ndarray, "*row echo"]) -> Float[np.ndarray, "*row summary"]:
    """Four numbers that tell how expected a day's unrest was; the network remembers them with the day."""
    return np.asarray(np.clip(echoes[..., _SUMMARISED] / _SUMMARY_UNITS, 0, 5))


def history_echoes(almanac: Almanac | None, rows: int, first: int = 0) -> Float[np.ndarray, "time echo"]:
    """The echoes of the day after each row from `first` up to `rows`, as known there; zeros without an almanac.

    The day after the last of all rows is not known here: it is taken to be the next on the calendar.
    """
    if almanac is None:
        return np.zeros((rows - first, ECHOES))
    targets = np.append(almanac.days[1:], almanac.days[-1] + 1)
    return almanac.echoes(targets[first:rows], np.arange(first, rows))
