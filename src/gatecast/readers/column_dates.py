"""Dates that only their column explains: orders of numbers, months and periods, day counts, years of Taiwan."""

from __future__ import annotations

import datetime
from contextlib import suppress

import numpy as np

from gatecast.errors import UnreadableSource
from gatecast.readers import spellings
from gatecast.readers.date_cells import UNITS, Cells, Groups, since_1970, store, whole
from gatecast.readers.day_month import number_order
from gatecast.text import shown

_SERIALS = (18_264, 73_051)  # days since 1899-12-30 of 1950 and of 2100
_NUMBERS = {"day": ("a", "b", "y"), "month": ("b", "a", "y"), "year": ("y", "b", "a")}  # groups of day, month, year


def store_numbered(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store dates such as `03/04/2021` and `26.11.20`, with day, month and year in the order that the column has."""
    a, b, text = whole(groups["a"], 1), whole(groups["b"], 1), [cells.text[row] for row in at]
    order = number_order(
        text, a, b, groups["y"], column=cells.column, day_first=cells.day_first, findings=cells.findings
    )
    day, month, year = _NUMBERS[order]
    store(cells, at, {**groups, "d": groups[day], "m": groups[month], "y": groups[year]})


def store_compact(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store dates such as 261120, of which nearly all must have a month in their middle or in front.

    Nothing where nearly all may be months as well, such as 200612.
    """
    a, b = whole(groups["a"], 0), whole(groups["b"], 0)
    if np.mean([bool(spellings.SHORT_MONTHS[-1].fullmatch(cells.text[row])) for row in at]) > 0.9:
        return
    if max(((b > 0) & (b <= 12)).mean(), ((a > 0) & (a <= 12) & (b > 0) & (b <= 31)).mean()) > 0.95:
        store_numbered(cells, at, groups)


def store_years_of_taiwan(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store dates such as 115/11/20, whose years count from 1912, and those before 100 beside them; a few are slips."""
    short, others = cells.match(spellings.ROC_SHORT)
    if (whole(others["y"], 0) <= 31).any():  # days
        return
    if 20 * (len(at) + len(short)) < 19 * cells.filled() or 20 * len(at) < cells.filled():
        return
    for rows, parts in ((at, groups), (short, others)):
        if len(rows):
            years: list[str | None] = [str(year) for year in whole(parts["y"], 0) + 1911]
            store(cells, rows, {**parts, "y": years})
    day = cells.seconds[at[0]].astype("datetime64[D]")
    cells.findings.note(f"read dates such as {cells.text[at[0]]} as years of Taiwan, here {day}.")


def store_decimal_months(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store 2010.1 as October where most months have two digits; where they have one, nothing."""
    cut = np.array([word == "1" for word in groups["m"]])
    if 2 * int(cut.sum()) > len(at):
        return
    store(cells, at, {**groups, "m": ["10" if word == "1" else word for word in groups["m"]]})
    if cut.any():
        cells.findings.note(f"read dates such as {cells.text[at[int(cut.argmax())]]} as October.")


def store_periods(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store months, quarters, halves and weeks as their first day."""
    if "w" in groups:
        _store_weeks(cells, at, groups)
        return
    months, unit = (3, "quarter") if "q" in groups else (6, "half year") if "h" in groups else (1, "month")
    number = whole(groups["q" if months == 3 else "h" if months == 6 else "m"], 1)
    store(cells, at, {**groups, "m": [str(first) for first in (number - 1) * months + 1]})
    cells.findings.note(f"read dates such as {cells.text[at[0]]} as the first day of the {unit}.")


def _store_weeks(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store ISO weeks as their Monday, or as the weekday that is given; week 53 of a year without one stays NaT."""
    for row, year, week, weekday in zip(
        at.tolist(),
        whole(groups["y"], 0),
        whole(groups["w"], 0),
        whole(groups.get("wd", [None] * len(at)), 1),
        strict=True,
    ):
        with suppress(ValueError):
            cells.seconds[row] = np.datetime64(datetime.date.fromisocalendar(int(year), int(week), int(weekday)), "s")
    cells.findings.note(f"read dates such as {cells.text[at[0]]} as the Monday of the week.")


def store_months(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store `Oct 26` as October 2026 where that gives an even series of months, and 202610 likewise."""
    spelt = Cells([cells.text[row] for row in at], cells.column, cells.findings, cells.day_first)
    store(spelt, np.arange(len(at)), groups)
    months = np.unique(spelt.seconds[~np.isnat(spelt.seconds)].astype("datetime64[M]")).astype(np.int64)
    steps = np.diff(months)
    if len(steps) and (steps == np.median(steps)).mean() >= 0.9 and np.median(steps) <= 12:
        cells.seconds[at] = spelt.seconds
        month = spelt.seconds[0].astype("datetime64[M]")
        cells.findings.note(f"read dates such as {cells.text[at[0]]} as a month and its year, here {month}.")
    elif "name" in groups:
        raise UnreadableSource(
            f"a date needs a year; column {shown(cells.column)} has {shown(cells.text[at[0]])}, and such dates are "
            "no even series of months. Write dates as 2021-03-04."
        )


def store_serials(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store the serial days of spreadsheets: 46346 is 2026-11-20, 46346.5 its noon."""
    days = whole(groups["serial"], 0)
    inside = (days >= _SERIALS[0]) & (days < _SERIALS[1])
    if not inside.any():
        return
    at, days = at[inside], days[inside]
    parts = np.array([float(f"0.{part or 0}") for part in groups["part"]])[inside]
    unix, excel = days.max().astype("datetime64[D]"), np.datetime64("1899-12-30") + days.max()
    if excel < np.datetime64("1968-01-01"):
        raise UnreadableSource(
            f"a count of days must say where it begins; column {shown(cells.column)} has {days.max()}, which is "
            f"{excel} in a spreadsheet and {unix} if counted since 1970. Write dates as 2021-03-04."
        )
    cells.seconds[at] = (np.datetime64("1899-12-30", "s") + days * 86_400) + np.rint(parts * 86_400).astype(np.int64)
    day = cells.seconds[at[-1]].astype("datetime64[D]")
    cells.findings.note(f"read dates such as {cells.text[at[-1]]} as a spreadsheet's serial day, here {day}.")


def store_epochs(cells: Cells, at: np.ndarray, groups: Groups) -> None:
    """Store counts since 1970."""
    words = [word or "" for word in groups["ticks"]]
    digits = np.array([len(word.lstrip("-")) for word in words])
    count = np.array([min(max(int(word), -(2**62)), 2**62) for word in words], dtype=np.int64)
    cells.seconds[at], cells.nanos[at], unit = since_1970(count, digits)
    cells.findings.note(f"read dates such as {words[0]} as {UNITS[int(unit[0])]} since 1970.")
