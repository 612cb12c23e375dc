"""Which trading day a watch is due for, and when the next one is: by the local clock, and the exchange where known."""

from __future__ import annotations

import functools
from datetime import date, datetime, time, timedelta

from gatecast.calendars import open_calendar
from gatecast.errors import UsageError

_DAY = timedelta(days=1)
_LONGEST = 30  # days without a session; no exchange closes for longer
_EXCHANGES = {  # by the ending of a ticker of Yahoo
    "AS": "XAMS", "AX": "XASX", "BR": "XBRU", "CO": "XCSE", "DE": "XETR", "F": "XFRA", "HE": "XHEL", "HK": "XHKG",
    "IR": "XDUB", "L": "XLON", "LS": "XLIS", "MC": "XMAD", "MI": "XMIL", "NZ": "XNZE", "OL": "XOSL", "PA": "XPAR",
    "SI": "XSES", "ST": "XSTO", "SW": "XSWX", "T": "XTKS", "TO": "XTSE", "TW": "XTAI", "VI": "XWBO",
}  # fmt: skip


def calendar_of(ticker: str) -> str | None:
    """The calendar of a ticker of Yahoo; None where it tells none: Monday to Friday.

    >>> [calendar_of(ticker) for ticker in ("AAPL", "SAP.DE", "BTC-USD", "EURUSD=X", "^N225")]
    ['XNYS', 'XETR', '24/7', None, None]
    """
    if "=" in ticker or ticker.startswith("^"):
        return None
    stem, dot, ending = ticker.rpartition(".")
    if dot and stem:
        return _EXCHANGES.get(ending.upper())
    return "24/7" if ticker.upper().endswith(("-USD", "-EUR", "-GBP", "-USDT")) else "XNYS"


def due_day(moment: datetime, at: time, calendar: str | None) -> date:
    """The latest trading day whose time `at` has come by a local moment; nothing else tells of days before it."""
    day = moment.date() if moment.time() >= at else moment.date() - _DAY
    for _ in range(_LONGEST):
        if trades(day, calendar):
            break
        day -= _DAY
    return day


def next_moment(moment: datetime, at: time, calendar: str | None) -> datetime:
    """When the next trading day is due, by the local clock; after `moment`."""
    day = moment.date() if moment.time() < at else moment.date() + _DAY
    for _ in range(_LONGEST):
        if trades(day, calendar):
            break
        day += _DAY
    return datetime.combine(day, at)


def trades(day: date, calendar: str | None) -> bool:
    """Whether a day has a session; of years that a calendar does not cover Monday to Friday have one."""
    if calendar is not None:
        found = _sessions(calendar, day.year)
        if found is not None:
            return day in found
    return day.weekday() < 5


@functools.lru_cache(maxsize=64)
def _sessions(calendar: str, year: int) -> frozenset[date] | None:
    try:
        found = open_calendar(calendar, f"{year}-01-01", f"{year}-12-31").sessions
    except UsageError:
        return None
    return frozenset(stamp.date() for stamp in found)
