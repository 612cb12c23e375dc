"""Known event dates as the base network sees them: whether a day is one, and how the series reacted to past ones.

A company that reports before the market opens moves on that day, one that reports after its close on the next. So a
day to come has two flags: the event falls on it, or it fell on the session before; and with each the size of the
series' own past moves on such days, against its usual ones. Past moves count from the day they happened, and an event
from the day it was announced. The network has learned from earnings of daily series; other kinds and other clocks give
zeros, as no events do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gatecast.calendars import describe
from gatecast.events import HABITS
from gatecast.features.contract import FLOOR
from gatecast.features.event_calendar import SUMMARY, summary
from gatecast.prices import PriceSeries

KIND = "earnings"
FLAGS = 3  # dates are known, the event falls on the day, it fell on the session before
KNOWN = FLAGS + 4 + SUMMARY
USUAL = 64  # sessions before an event whose mean move is the usual one
LEAST_USUAL = 20
REACTIONS = 12  # past events that count: three years of quarters
PRIOR, PRIOR_SIZE = 3.0, (1.8, 1.8)  # what past events are shrunk to: so many that moved it so many usual moves
LARGEST = 12.0  # usual moves; a larger reaction counts as this
ALIVE = 130  # calendar days after an event, or fewer, that dates are taken to be kept up: reports come every quarter
QUIET = 60  # calendar days after an event in which no other comes: 61 is the least between 22,260 reports
_NEVER, _FAR = -(10**6), 10**6  # days since 1970, before and after any other


@dataclass(frozen=True, kw_only=True)
class KnownEvents:
    """The event dates of a series and what it did on them; days are calendar days since 1970.

    `known` are the days of the announcements, ascending, and `dates` those of the events. `settled` are the days,
    ascending, from which a reaction counts: that of the session after the event's, or of a later announcement; `sizes`
    are the moves on the event's session and on the one after, in usual moves.
    """

    known: Int[np.ndarray, " event"]
    dates: Int[np.ndarray, " event"]
    settled: Int[np.ndarray, " past"]
    sizes: Float[np.ndarray, "past 2"]

    @classmethod
    def of(cls, series: PriceSeries) -> KnownEvents | None:
        """The reports of a series; None where it has none, or is no daily series."""
        daily = series.events is not None and describe(series.timestamps).freq in "BD"
        return cls.of_kind(series, KIND) if daily else None

    @classmethod
    def of_kind(cls, series: PriceSeries, kind: str) -> KnownEvents | None:
        """Those of a kind; None where there are none."""
        events = series.events and series.events.of_kind(kind)
        if events is None or events.announced is None:
            return None
        days = _days(series.timestamps)
        dates, announced = _days(events.dates), _days(events.announced)
        order = np.lexsort((dates, announced))
        # The session of an event is the first at or after its date.
        first_known = _earliest(np.searchsorted(days, dates), announced, len(days))
        sessions = np.flatnonzero(first_known < _FAR)
        sessions = sessions[(sessions > LEAST_USUAL) & (sessions + 1 < len(days))]
        settled = np.maximum(days[np.minimum(sessions + 1, len(days) - 1)], first_known[sessions])
        sessions = sessions[np.argsort(settled, kind="stable")]
        moves = np.abs(np.diff(np.log(series.close), prepend=np.log(series.close[0])))
        total = np.concatenate([[0.0], np.cumsum(moves)])
        first = np.maximum(sessions - USUAL, 1)
        usual = np.maximum((total[sessions] - total[first]) / np.maximum(sessions - first, 1), FLOOR)
        sizes = np.stack([moves[sessions], moves[sessions + 1]], axis=1) / usual[:, None]
        return cls(
            known=announced[order], dates=dates[order], settled=np.sort(settled), sizes=np.minimum(sizes, LARGEST)
        )

    def inputs(
        self,
        sessions: Int[np.ndarray, " session"],
        seen: Int[np.ndarray, " target"],
        expected: Float[np.ndarray, "target event"],
    ) -> Float[np.ndarray, "target known"]:
        """What is known on the days `seen` of the last sessions, one each; `sessions` has two more before them.

        `expected` are the event calendar's features of the same days: where dates are known, its guesses count for
        less.
        """
        flags = np.zeros((len(seen), FLAGS))
        places = np.searchsorted(sessions, self.dates)
        first_known = _earliest(places[places > 0], self.known[places > 0], len(sessions))
        flags[:, 1], flags[:, 2] = first_known[2:] <= seen, first_known[1:-1] <= seen
        flags[:, 0] = np.maximum(self._covers(sessions[2:], seen), flags[:, 1:].max(axis=1))
        sizes = self.reactions(seen)
        products = [flags[:, 1:2] * sizes, flags[:, 2:3] * sizes]
        return np.hstack([flags, *products, flags[:, :1] * summary(expected)])

    def _covers(self, targets: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Whether the dates say of a day that it is or is no event.

        They do as far ahead as such dates are known, and between two reports.
        """
        latest = np.concatenate([[_NEVER], np.maximum.accumulate(self.dates)])
        latest = latest[np.searchsorted(self.known, seen, side="right")]
        return np.asarray((targets <= latest + ALIVE) & (targets <= np.maximum(seen + HABITS[KIND], latest + QUIET)))

    def reactions(self, seen: np.ndarray) -> Float[np.ndarray, "target 2"]:
        """The log of the mean size of the last reactions that were complete by then, shrunk towards the usual one."""
        total = np.vstack([np.zeros(2), np.cumsum(self.sizes, axis=0)])
        count = np.searchsorted(self.settled, seen, side="right")
        first = np.maximum(count - REACTIONS, 0)
        sums = total[count] - total[first] + PRIOR * np.array(PRIOR_SIZE)
        return np.asarray(np.log(sums / (count - first + PRIOR)[:, None]))


def history_known(
    events: KnownEvents | None, timestamps: np.ndarray, expected: Float[np.ndarray, "time event"]
) -> Float[np.ndarray, "time known"]:
    """What is known of the day after each of the last rows of `timestamps`, on the row; zeros without events.

    `expected` are the event calendar's features, of as many rows. The day after the last row is taken to be the next
    calendar day.
    """
    rows = len(expected)
    if events is None:
        return np.zeros((rows, KNOWN))
    days = _days(timestamps)
    days = np.concatenate([days[:1] - 1, days, days[-1:] + 1])
    return events.inputs(days[-rows - 2 :], days[-rows - 1 : -1], expected)


def future_known(
    events: KnownEvents | None, past: np.ndarray, future: np.ndarray, expected: Float[np.ndarray, "horizon event"]
) -> Float[np.ndarray, "horizon known"]:
    """What is known at the last of the rows `past` of each timestamp to come; zeros without events."""
    if events is None:
        return np.zeros((len(future), KNOWN))
    newest = _days(past[-2:])
    days = np.concatenate([newest[:1] - 1] * (2 - len(newest)) + [newest, _days(future)])
    return events.inputs(days, np.full(len(future), newest[-1]), expected)


def _earliest(
    places: Int[np.ndarray, " event"], known: Int[np.ndarray, " event"], sessions: int
) -> Int[np.ndarray, " session"]:
    """The day from which an event on each session is known; never where there is none."""
    earliest = np.full(sessions + 1, _FAR)
    np.minimum.at(earliest, np.minimum(places, sessions), known)
    return earliest[:-1]


def _days(timestamps: np.ndarray) -> Int[np.ndarray, " time"]:
    return timestamps.astype("datetime64[D]").astype(np.int64)
