"""Which order of day and month gives an even series, where the dates themselves allow both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

_DAILY = 5  # days; no gap of a daily series is longer, but for rare holidays
_EVEN, _UNEVEN = 0.5, 1.0  # standard deviation of the gaps over their mean: 0.03 of whole months, 3 of swapped ones


def even_order(first: np.ndarray, second: np.ndarray, years: Sequence[str | None]) -> Literal["day", "month"] | None:
    """The only order in which dates of two numbers and a year are evenly spaced, if there is exactly one.

    >>> months, ones = np.tile(np.arange(1, 13), 2), np.ones(24, dtype=int)
    >>> even_order(ones, months, ["2020"] * 12 + ["2021"] * 12)
    'day'
    """
    year = np.array([int(word or 0) for word in years])
    day, month = _spread(first, second, year), _spread(second, first, year)
    if day < _EVEN and month > _UNEVEN:
        return "day"
    if month < _EVEN and day > _UNEVEN:
        return "month"
    return None


def _spread(day: np.ndarray, month: np.ndarray, year: np.ndarray) -> float:
    """How unevenly days follow each other; 0 where no gap is longer than those of a daily series."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    gaps = np.diff(np.unique(months.astype("datetime64[D]").astype(np.int64) + day - 1))
    if len(gaps) < 2 or gaps.max() <= _DAILY:
        return 0.0
    return float(gaps.std() / gaps.mean())
