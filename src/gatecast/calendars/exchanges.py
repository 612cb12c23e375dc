"""The sessions of an exchange: its days, hours, half days and breaks, from exchange_calendars."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from gatecast.calendars.clocks import Clock, find_clock
from gatecast.errors import UsageError
from gatecast.executors import caught_warnings
from gatecast.text import shown

_YEAR = np.timedelta64(366, "D")
_WEEK = np.timedelta64(7, "D")
_SAMPLE = 2000  # bars of the last year that tell the clock of the file
_INSIDE = 0.9  # of the bars at least lie in the hours of the exchange, else they are not of its sessions alone
_USUAL = 1 / 3  # of the sessions; a bar at the very open or close in as many is a regular one
_RECORDERS = ("UTC", "America/New_York", "Europe/London", "Europe/Paris", "Europe/Athens", "Asia/Tokyo",
              "Asia/Hong_Kong", "Australia/Sydney")  # fmt: skip


def weekday(days: np.ndarray) -> np.ndarray:
    """Monday 0 to Sunday 6."""
    return np.asarray((days.astype("datetime64[D]").astype(np.int64) + 3) % 7)  # 1970-01-01 was a Thursday


@functools.lru_cache(maxsize=8)
def open_calendar(code: str, first: str | None = None, last: str | None = None) -> Any:
    """A calendar of exchange_calendars; raises `UsageError` for an unknown code or dates it does not cover."""
    import exchange_calendars

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if code not in known:
        raise UsageError(
            f"a calendar is the code of an exchange; got {shown(code)}. "
            "Give, for example, XNYS, XNAS, XLON, XETR, XTKS, XHKG, 24/7 or 24/5."
        )
    try:
        with caught_warnings():  # the package uses deprecated parts of pandas
            return exchange_calendars.get_calendar(code, start=first, end=last)
    except (ValueError, TypeError, exchange_calendars.errors.CalendarError) as error:
        raise UsageError(
            f"a calendar must cover all dates; {code} does not cover {first} to {last} ({type(error).__name__}). "
            "Give a shorter horizon or no calendar."
        ) from None


def sessions(code: str, first: np.datetime64, last: np.datetime64) -> np.ndarray:
    """Sessions of a calendar from `first` to `last`; `datetime64[D]`."""
    calendar = open_calendar(code, str(first), str(last))
    return np.asarray(calendar.sessions, dtype="datetime64[D]")


def off_calendar(timestamps: np.ndarray, code: str) -> Bool[np.ndarray, " time"]:
    """Which rows are on no session of a calendar; of intraday rows the day counts on the exchange's clock."""
    days = timestamps.astype("datetime64[D]")
    if (timestamps == days).all():
        return np.asarray(~np.isin(days, sessions(code, days[0], days[-1] + _WEEK)))
    hours = trading_hours(code, timestamps[0], timestamps[-1])
    clock, _ = exchange_clock(timestamps, code)
    on = np.isin(clock.local(timestamps).astype("datetime64[D]"), hours.days)
    return np.asarray(~on & ~hours.hold(Clock(clock.recorded).local(timestamps)))


@dataclass(frozen=True, eq=False)
class TradingHours:
    """The sessions of an exchange in UTC, ascending; the bounds of a break are NaT where a session has none."""

    zone: str
    days: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    break_starts: np.ndarray
    break_ends: np.ndarray

    def hold(self, utc: np.ndarray, *, at_open: bool = True, at_close: bool = True) -> Bool[np.ndarray, " time"]:
        """Which moments are in a session and not in its break; `at_open`, `at_close`: so is the very bound."""
        place = np.searchsorted(self.opens, utc, side="right") - 1
        session = np.maximum(place, 0)
        opens, closes = self.opens[session], self.closes[session]
        pause, end = self.break_starts[session], self.break_ends[session]
        inside = (place >= 0) & (utc <= closes) & ~((utc > pause) & (utc < end))
        if not at_open:
            inside &= (utc != opens) & (utc != end)
        if not at_close:
            inside &= (utc != closes) & (utc != pause)
        return np.asarray(inside)

    def bounds(self, utc: np.ndarray) -> dict[str, bool]:
        """Whether bars stand at the very open, and at the very close, of the sessions they span."""
        spanned = int(((self.opens >= utc[0]) & (self.closes <= utc[-1])).sum())
        counts = {"at_open": np.isin(utc, self.opens).sum(), "at_close": np.isin(utc, self.closes).sum()}
        return {name: int(count) > _USUAL * spanned for name, count in counts.items()}


def trading_hours(code: str, first: np.datetime64, last: np.datetime64) -> TradingHours:
    """The sessions of a calendar about the days from `first` to `last`."""
    start, end = first.astype("datetime64[D]") - _WEEK, last.astype("datetime64[D]") + _WEEK
    years = f"{start.astype('M8[Y]')}-01-01", f"{end.astype('M8[Y]')}-12-31"
    try:
        calendar = open_calendar(code, *years)  # whole years are opened once for many origins
    except UsageError:
        calendar = open_calendar(code, str(start), str(end))
    times = {name: _moments(getattr(calendar, name)) for name in ("opens", "closes", "break_starts", "break_ends")}
    return TradingHours(str(calendar.tz), np.asarray(calendar.sessions, dtype="datetime64[D]"), **times)


def _moments(times: Any) -> np.ndarray:
    return np.asarray(times.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]"))


def exchange_clock(stamps: np.ndarray, code: str) -> tuple[Clock, bool]:
    """The clock the bars are written in and the exchange's own, and whether they fit the hours of its sessions.

    The zone in which most of the last year's bars lie in sessions; the exchange's own, then UTC, where several do.
    Bars before the open or after the close, too, fit no zone: then they tell their clock by themselves.
    """
    recent = stamps[stamps > stamps[-1] - _YEAR]
    sample = recent[:: -(-len(recent) // _SAMPLE)]
    hours = trading_hours(code, recent[0], recent[-1])
    clocks = [Clock(zone) for zone in dict.fromkeys((hours.zone, *_RECORDERS))]
    inside = [float(hours.hold(clock.local(sample)).mean()) for clock in clocks]
    best = int(np.argmax(inside))
    if inside[best] < _INSIDE:
        return find_clock(stamps), False
    return Clock(clocks[best].recorded, hours.zone), True
