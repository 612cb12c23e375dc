"""In which order dates of three numbers have day, month and year: by what the numbers allow, else by an even series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from gatecast.errors import UnreadableSource
from gatecast.readers.findings import Findings
from gatecast.text import shown

_DAILY = 5  # days; no gap of a daily series is longer, but for rare holidays
_EVEN, _UNEVEN = 0.5, 1.0  # standard deviation of the gaps over their mean: 0.03 of whole months, 3 of swapped ones
_ODD = 0.05  # of the cells, those that do not change the order of a column: they stay unreadable and are named
_DIRECT = 4.0  # times as far a wrong order goes from date to date: sixty times, where days are read as years

Order: TypeAlias = Literal["day", "month", "year"]  # what stands first; day and year have the month in the middle


def number_order(
    text: Sequence[str],
    first: np.ndarray,
    second: np.ndarray,
    years: Sequence[str | None],
    *,
    column: str,
    day_first: bool | None,
    findings: Findings,
) -> Order:
    """The order of dates such as 03/04/2021 or 26.11.20, noted; raises `UnreadableSource` where it is unclear.

    `first` and `second` are the first two numbers of each cell of `text`, `years` the third as it is written.
    """
    if day_first is None and _year_first(text, first, second, years, column):
        findings.note(f"read dates such as {text[0]} as year first.")
        return "year"
    day, month, why = bool((second <= 12).all()), bool((first <= 12).all()), ""
    differ = first != second
    if day_first is not None:
        day, month = day_first, not day_first
        _check_order(text, second if day_first else first, column, day_first)
    elif day and month and differ.any() and (order := even_order(first, second, years)) is not None:
        day, month = order == "day", order == "month"
        why = ", because only so they are evenly spaced"
    if day and month and differ.any():
        raise UnreadableSource(
            f"the order of day and month must be clear; column {shown(column)} has "
            f"{shown(text[int(differ.argmax())])}, and no date in it decides the order. Pass day_first=True or "
            "day_first=False, or write dates as 2021-03-04."
        )
    if not day and not month:
        day = int((first > 12).sum()) >= int((second > 12).sum())
        if ((second > 12) if day else (first > 12)).mean() > _ODD:
            pair = [shown(text[int((number > 12).argmax())]) for number in (first, second)]
            raise UnreadableSource(
                f"day and month must be in the same order everywhere; column {shown(column)} has "
                f"{' and '.join(pair)}. Write dates as 2021-03-04."
            )
    if differ.any():
        findings.note(f"read dates such as {text[0]} as {'day' if day else 'month'} first{why}.")
    return "day" if day else "month"


def _check_order(text: Sequence[str], month: np.ndarray, column: str, day_first: bool) -> None:
    """Refuse the order that the caller gave where most months would be none."""
    if (month > 12).mean() > _ODD:
        cell, order = shown(text[int((month > 12).argmax())]), "day" if day_first else "month"
        raise UnreadableSource(
            f"dates must have the order that is given; column {shown(column)} has {cell}, which is not {order} "
            f"first. Leave it out, or pass day_first={not day_first}."
        )


def _year_first(
    text: Sequence[str], first: np.ndarray, second: np.ndarray, years: Sequence[str | None], column: str
) -> bool:
    """Whether dates such as 26.11.20 begin with the year: only so they go a short way from one to the next.

    Days that are read as years sweep 30 years each month. Raises `UnreadableSource` where years that are read as days
    would be as even a series: 26.11.18, 26.11.19, 26.11.20.
    """
    if any(len(word or "") != 2 for word in years):
        return False
    last = np.array([int(word or 0) for word in years])
    way = _way(first, second, last)
    others = {"day": _way(last, second, first), "month": _way(last, first, second)}
    if _DIRECT * way >= min(others.values()):
        return False
    straight = [order for order, other in others.items() if other < np.inf and _straight(order, first, second, last)]
    if straight:
        raise UnreadableSource(
            f"the order of day, month and year must be clear; column {shown(column)} has {shown(text[0])}, and dates "
            f"follow on with the year first and with the year last. Pass day_first={straight[0] == 'day'} where it is "
            "last, or write dates as 2021-03-04."
        )
    return True


def _way(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> float:
    """Days from each date to the next, summed; infinite where more than a few are no dates."""
    real = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    if real.mean() < 1 - _ODD:
        return float(np.inf)
    return float(np.abs(np.diff(_days(year[real], month[real], day[real]))).sum())


def _straight(order: str, first: np.ndarray, second: np.ndarray, last: np.ndarray) -> bool:
    """Whether dates with the year last go one way alone."""
    day, month = (first, second) if order == "day" else (second, first)
    steps = np.diff(_days(last, month, day))
    return bool((steps >= 0).all() or (steps <= 0).all())


def _days(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Days since 1970; a year of two digits is one of 1969..2068."""
    year = np.where(year < 69, year + 2000, np.where(year < 100, year + 1900, year))
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    return np.asarray(months.astype("datetime64[D]").astype(np.int64) + day - 1)


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
    gaps = np.diff(np.unique(_days(year, month, day)))
    if len(gaps) < 2 or gaps.max() <= _DAILY:
        return 0.0
    return float(gaps.std() / gaps.mean())
