"""Events: dates known ahead on which prices may move, such as earnings; checked when they are made, and immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from gatecast.errors import DataError, briefly, check_type
from gatecast.notes import Note

# How many calendar days ahead a date is known where nothing says when it was announced, by kind; 0: on its own day.
# Two weeks are a cautious guess of what companies announce; the day of the announcement counts where a file tells it.
# Holidays, expiries and the meetings of central banks are on calendars of a year.
HABITS: Mapping[str, int] = {"earnings": 14, "dividend": 14, "split": 14, "expiry": 364, "holiday": 364, "meeting": 364}
EVERY_ITEM = ""  # the item id of an event of all items, such as a central bank's meeting
LONGEST_KIND = 40  # characters
_FIRST, _LAST = np.datetime64("1800-01-01"), np.datetime64("2200-01-01")


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Dated events of one or more items, sorted by date, item and kind; read-only arrays of one entry an event.

    `item_ids` and `kinds` are texts, an item id of "" stands for every item; `dates` and `announced` are
    `datetime64[D]`. An event is known from the day it was announced; where that is None or NaT, as many days ahead as
    `HABITS` has for its kind. `values` are figures that are known with them, such as the size of a dividend or a
    demand that was forecast; NaN where there is none. `notes` say what was noticed when they were read. Raises
    `DataError` for a date that is not between 1800 and 2200, a value that is infinite, and for an event that stands
    twice.

    >>> events = Events.of_rows([("KO", "2024-02-13", "earnings", None)])
    >>> events, str(events.announced[0])
    (Events(1: earnings of KO), '2024-01-30')
    """

    item_ids: Shaped[np.ndarray, " event"]
    dates: Shaped[np.ndarray, " event"]
    kinds: Shaped[np.ndarray, " event"]
    announced: Shaped[np.ndarray, " event"] | None = None
    values: Float[np.ndarray, " event"] | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        items, kinds = _texts("item_ids", self.item_ids), _texts("kinds", self.kinds)
        dates = _days("dates", self.dates)
        given = np.full(len(dates), np.datetime64("NaT", "D")) if self.announced is None else self.announced
        announced = _days("announced", given)
        values = _numbers(np.full(len(dates), np.nan) if self.values is None else self.values)
        if len({len(items), len(kinds), len(dates), len(announced), len(values)}) > 1:
            raise DataError("events need an item, a date and a kind each; the columns have other lengths. Align them.")
        _check(items, kinds, dates, announced, values)
        announced = np.where(np.isnat(announced), dates - _habits(kinds), announced)
        order = np.lexsort((kinds, items, dates))
        columns = {"item_ids": items, "dates": dates, "kinds": kinds, "announced": announced, "values": values}
        for name, column in columns.items():
            ordered = column[order]
            ordered.flags.writeable = False
            object.__setattr__(self, name, ordered)
        self._check_once()

    def _check_once(self) -> None:
        same = np.ones(max(len(self) - 1, 0), dtype=bool)
        for values in (self.item_ids, self.dates, self.kinds):
            same &= values[1:] == values[:-1]
        if same.any():
            place = int(same.argmax())
            item, date, kind = self.item_ids[place], self.dates[place], self.kinds[place]
            raise DataError(f"an event stands once; {kind} of '{item}' on {date} stands twice. Keep the first.")

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[str, Any, str, Any] | tuple[str, Any, str, Any, float]]) -> Events:
        """Events of (item id, date, kind, day of the announcement or None) each, and the value where there is one."""
        filled = [row if len(row) > 4 else (*row, np.nan) for row in rows]
        columns = [list(column) for column in zip(*filled, strict=True)]
        items, dates, kinds, announced, values = columns or ([], [], [], [], [])
        return cls(
            item_ids=np.array(items, dtype=np.str_),
            dates=_days("dates", dates),
            kinds=np.array(kinds, dtype=np.str_),
            announced=_days("announced", ["NaT" if day is None else day for day in announced]),
            values=_numbers(values),
        )

    def __len__(self) -> int:
        return len(self.dates)

    def __repr__(self) -> str:
        items = sorted(set(self.item_ids.tolist()))
        names = ", ".join(item or "every item" for item in items[:3]) + (", ..." if len(items) > 3 else "")
        return f"Events({len(self)}: {', '.join(sorted(set(self.kinds.tolist())))} of {names})"

    def of(self, item_id: str) -> Events | None:
        """The events of an item and of every item, under the item's id; None where there are none."""
        mine = np.flatnonzero((self.item_ids == item_id) | (self.item_ids == EVERY_ITEM))
        first: dict[tuple[Any, Any], int] = {}  # of an event of its own and of every item, the earlier known
        for place in mine.tolist():
            entry = (self.dates[place], self.kinds[place])
            other = first.setdefault(entry, place)
            if self._known_from[place] < self._known_from[other]:
                first[entry] = place
        kept = self._taken(np.array(sorted(first.values()), dtype=int))
        return kept and replace(kept, item_ids=np.full(len(kept), item_id))

    def among(self, item_ids: Sequence[str]) -> Events | None:
        """The events of some items and of every item, each under its own id; None where there are none."""
        return self._taken(np.isin(self.item_ids, [*item_ids, EVERY_ITEM]))

    def known(self, day: np.datetime64) -> Events | None:
        """Those that were announced at or before a day; None where there are none."""
        before = self._known_from <= day.astype("datetime64[D]")
        return self if before.all() else self._taken(before)

    def not_yet_known(self, day: np.datetime64) -> Events | None:
        """Those after a day that were announced later than that day; None where there are none."""
        today = day.astype("datetime64[D]")
        return self._taken((self.dates > today) & (self._known_from > today))

    def of_kind(self, kind: str) -> Events | None:
        """Those of a kind; None where there are none."""
        return self._taken(self.kinds == kind)

    def joined(self, other: Events | None) -> Events:
        """These and others; of an event that stands in both, the one that was known earlier."""
        if other is None:
            return self
        known: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        for events in (self, other):
            columns = (events.item_ids, events.dates, events.kinds, events._known_from, events._figures)
            for *entry, day, value in zip(*columns, strict=True):
                if tuple(entry) not in known or day < known[tuple(entry)][0]:
                    known[tuple(entry)] = day, value
        return Events.of_rows([(item, date, kind, *told) for (item, date, kind), told in known.items()])

    def steps(self, last: np.datetime64, future: Shaped[np.ndarray, " step"]) -> tuple[tuple[int, str], ...]:
        """The step, from 1, at whose timestamp each event after `last` has come, and its kind; those beyond are left
        out. An event on a day without trade belongs to the next session.
        """
        ends = future.astype("datetime64[D]")
        steps = np.searchsorted(ends, self.dates, side="left") + 1
        ahead = (self.dates > last.astype("datetime64[D]")) & (steps <= len(ends))
        return tuple(zip(steps[ahead].tolist(), self.kinds[ahead].tolist(), strict=True))

    def digest(self) -> bytes:
        """SHA-256 over all of it."""
        columns = [self.item_ids, self.kinds, self.dates, self._known_from]
        if np.isfinite(self._figures).any():
            columns.append(self._figures)
        rows = zip(*columns, strict=True)
        return hashlib.sha256("\n".join("\0".join(map(str, row)) for row in rows).encode()).digest()

    @property
    def _known_from(self) -> Shaped[np.ndarray, " event"]:
        assert self.announced is not None  # filled when it was made
        return self.announced

    @property
    def valued_kinds(self) -> tuple[str, ...]:
        """The kinds of which any event has a value, in alphabetical order."""
        return tuple(np.unique(self.kinds[np.isfinite(self._figures)]).tolist())

    @property
    def _figures(self) -> Float[np.ndarray, " event"]:
        assert self.values is not None  # filled when it was made
        return self.values

    def _taken(self, which: np.ndarray) -> Events | None:
        """The events of a mask or of places; None where these are none."""
        if len(self.dates[which]) == 0:
            return None
        return Events(
            item_ids=self.item_ids[which],
            dates=self.dates[which],
            kinds=self.kinds[which],
            announced=self._known_from[which],
            values=self._figures[which],
        )


def check_events(events: object) -> None:
    """Refuse what are no checked events."""
    check_type("events", events, Events, "Make them with read_events(...).")


def _texts(name: str, values: object) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind != "U" and len(array)):
        raise DataError(f"{name} of events are a list of texts; got {briefly(values)}. Convert them.")
    return array.astype(np.str_)


def _days(name: str, values: object) -> np.ndarray:
    try:
        array = np.array(values, dtype="datetime64[D]")
    except (ValueError, TypeError):
        array = np.array(np.datetime64("NaT", "D"))
    if array.ndim != 1:
        raise DataError(f"{name} of events are a list of dates; got {briefly(values)}. Write them as 2024-02-13.")
    return array


def _numbers(values: object) -> np.ndarray:
    try:
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError):
        array = np.array(0.0)
    if array.ndim != 1:
        raise DataError(f"values of events are a list of numbers; got {briefly(values)}. NaN is no value.")
    return array


def _check(items: np.ndarray, kinds: np.ndarray, dates: np.ndarray, announced: np.ndarray, values: np.ndarray) -> None:
    """Refuse events without a usable date, kind or value."""
    rules: tuple[tuple[Bool[np.ndarray, " event"], str, np.ndarray], ...] = (
        (np.isnat(dates) | (dates < _FIRST) | (dates >= _LAST), "lie between 1800 and 2200; date", dates),
        ((announced < _FIRST) | (announced >= _LAST), "are announced between 1800 and 2200; the day", announced),
        ((np.strings.str_len(kinds) == 0) | (np.strings.str_len(kinds) > LONGEST_KIND),
         f"have a kind of 1 to {LONGEST_KIND} characters; the kind", kinds),
        (np.isinf(values), "have finite values, if any; the value", values),
    )  # fmt: skip
    for bad, rule, column in rules:
        if bad.any():
            place = int(bad.argmax())
            raise DataError(f"events {rule} of one of '{items[place]}' is '{column[place]}'. Correct or drop it.")


def _habits(kinds: np.ndarray) -> np.ndarray:
    """How long before its date each event is known by the habit of its kind."""
    names, places = np.unique(kinds, return_inverse=True)
    days = np.array([HABITS.get(str(name), 0) for name in names], dtype="timedelta64[D]")
    return days[places] if len(names) else np.zeros(0, dtype="timedelta64[D]")
