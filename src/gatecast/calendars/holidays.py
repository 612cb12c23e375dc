"""Which days of a forecast may be holidays, where no calendar says so: weekdays that past years skipped."""

from __future__ import annotations

import numpy as np

from gatecast.calendars.exchanges import weekday

_YEARS = np.timedelta64(3 * 366, "D")  # of history that say which days are skipped
_YEAR = 365.25
_NEAR = 3  # days; Thanksgiving and Easter move within a week or more, fixed holidays to the nearest weekday
_HABIT = 0.1  # of the weekdays skipped at most; a series that skips more has gaps rather than holidays


def likely_holidays(stamps: np.ndarray, future: np.ndarray, weekdays: tuple[int, ...]) -> np.ndarray | None:
    """The days of `future` near which a past year skipped a trading day; `datetime64[D]`, ascending.

    None where there are none but the history, which begins less than a year before, cannot tell; no day of one that
    trades daily.

    >>> days = np.arange("2024-01-02", "2025-11-20", dtype="M8[D]")
    >>> days = days[np.is_busday(days) & ~np.isin(days, np.array(["2024-12-25", "2025-07-04"], "M8[D]"))]
    >>> likely_holidays(days, np.array(["2025-12-16", "2025-12-24"], "M8[D]"), (0, 1, 2, 3, 4))
    array(['2025-12-24'], dtype='datetime64[D]')
    """
    recent = stamps[np.searchsorted(stamps, stamps[-1] - _YEARS - np.timedelta64(1, "D")) :]
    days = np.unique(recent.astype("datetime64[D]"))
    days = days[days > days[-1] - _YEARS]
    ahead = np.unique(future.astype("datetime64[D]"))
    due = np.arange(days[0], days[-1] + np.timedelta64(1, "D"))
    due = due[np.isin(weekday(due), weekdays)]
    skipped = np.setdiff1d(due, days)
    if len(weekdays) == 7 or len(skipped) > _HABIT * len(due):
        return ahead[:0]
    away = (ahead[:, None] - skipped).astype(np.float64)
    near = (np.abs(away - _YEAR * np.maximum(np.rint(away / _YEAR), 1)) <= _NEAR + 1).any(axis=1)
    unknown = (ahead - days[0]).astype(np.float64) < _YEAR
    return None if unknown.any() and not near.any() else np.asarray(ahead[near])
