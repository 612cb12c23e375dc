"""What the base network reads of histories: signals, cross-section and events, each day once.

A day's row depends on the rows before it alone, so that forecasts from several days of one table read the same rows,
up to different ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from gatecast.calendars import describe
from gatecast.features.contract import Reading
from gatecast.features.cross_section import ItemSignals, cross_section_rows
from gatecast.features.event_calendar import EventCalendar, history_events, recurs, summary
from gatecast.features.known_events import FLAGS, KnownEvents, history_known
from gatecast.features.signals import START, Moves, Signals, history_signals, joined, trades
from gatecast.prices import PriceSeries

MEMORY = 256  # rows the network reads before it predicts, or more; it learned on 120, and what lies beyond has faded
LOOKBACK = MEMORY + 128 + 400  # rows kept of a series: events look back 371 days, and 64 rows from there
_GRID = {"B": "D", "D": "D", "W": "W", "M": "M"}  # reading begins at every 128th day, week or month since 1970
_EVERY = 128


_DAYS = (0.8, 4.0)  # the mean spacing, in days, of rows that are days, with gaps in them


@dataclass(frozen=True, kw_only=True)
class BaseInputs:
    """What the base network takes, arrays or tensors (time, batch, ...).

    `events` and `known` are of the day after each row, as the event calendar expects it and as known dates have it;
    `expected` is the summary of the events that were expected for the row's own day, `passed` whether it was known to
    be an event. `cross_section` is NaN, or None for all rows, where there is none; without known dates `known` and
    `passed` are zeros, or None.
    """

    signals: Any
    flags: Any
    cross_section: Any
    events: Any
    expected: Any
    known: Any = None
    passed: Any = None


@dataclass(frozen=True, kw_only=True)
class SignalRows:
    """A series as the base network reads it: rows `first` and later of its moves."""

    timestamps: np.ndarray
    moves: Moves
    first: int
    signals: Signals
    cross_section: Float[np.ndarray, "time cross_section"]
    flags: Float[np.ndarray, " flag"]
    calendar: EventCalendar | None
    events: Float[np.ndarray, "time event"]
    expected: Float[np.ndarray, "time summary"]
    known_events: KnownEvents | None
    known: Float[np.ndarray, "time known"]
    passed: Float[np.ndarray, "time passed"]
    whole: SignalRows | None = None  # of which these are the rows from `begin` to `stop`
    begin: int = 0
    stop: int = 0

    @property
    def drift_factor(self) -> float:
        """What multiplies a day's drift (the function `drift_factor`)."""
        return drift_factor(self.timestamps)

    @property
    def newest(self) -> SignalRows:
        """The last row alone."""
        last = slice(-1, None)
        return replace(
            self,
            timestamps=self.timestamps[last],
            signals=joined([self.signals], lambda columns: columns[0][last]),
            cross_section=self.cross_section[last],
            events=self.events[last],
            expected=self.expected[last],
            known=self.known[last],
            passed=self.passed[last],
        )

    def until(self, stop: int, unit: str | None) -> SignalRows:
        """The last rows of the first `stop` that are read, with the past that a forecast from there may look up.

        At least MEMORY where there are as many, from a day that forecasts from nearby days begin at, too: every 128th
        of the calendar's `unit`. Without one, 128 rows more than MEMORY.
        """
        begin = max(stop - MEMORY - (0 if unit else _EVERY), 0)
        if unit and begin:
            units = self.timestamps[begin].astype(f"datetime64[{unit}]").astype(np.int64)
            since = (units // _EVERY * _EVERY).astype(f"datetime64[{unit}]").astype(self.timestamps.dtype)
            begin = int(np.searchsorted(self.timestamps, since))
        rows, end = slice(begin, stop), self.first + stop
        past = slice(max(end - LOOKBACK + 1, 0), end)
        calendar = self.calendar and EventCalendar(days=self.calendar.days[past], activity=self.calendar.activity[past])
        return replace(
            self,
            timestamps=self.timestamps[rows],
            moves=self.moves.each(lambda column: column[past]),
            first=self.first + rows.start - past.start,
            signals=joined([self.signals], lambda columns: columns[0][rows]),
            cross_section=self.cross_section[rows],
            calendar=calendar,
            events=self.events[rows],
            expected=self.expected[rows],
            known=self.known[rows],
            passed=self.passed[rows],
            whole=self,
            begin=begin,
            stop=stop,
        )


def drift_factor(timestamps: np.ndarray) -> float:
    """The square root of how many sessions of a market a row stands for: 1 of days, 2.2 of weeks, 4.6 of months.

    Drift grows with time and volatility with its root, so that a drift that was learned in volatilities a day is so
    many times as large in volatilities a row.

    >>> days = np.arange("2024-01-01", "2024-12-31", dtype="datetime64[D]")
    >>> drift_factor(days), round(drift_factor(days[::7]), 2), drift_factor(days[:1])
    (1.0, 2.24, 1.0)
    """
    if len(timestamps) < 2:
        return 1.0
    days = float((timestamps[-1] - timestamps[0]) / np.timedelta64(1, "D")) / (len(timestamps) - 1)
    return 1.0 if _DAYS[0] < days < _DAYS[1] else float(np.sqrt(days * 5 / 7))


def signal_rows(
    table: Sequence[PriceSeries],
    *,
    ranges: bool = True,
    volumes: bool = True,
    cross_section: bool = True,
    left_out: Sequence[int] | None = None,
) -> list[SignalRows]:
    """The rows of each series from START on; row t uses rows up to t of the table alone.

    `ranges`, `volumes`, `cross_section` false hide these. Of `left_out` rows at the start of each series only its
    reactions to events are read.
    """
    parts = []
    for number, whole in enumerate(table):
        series = whole if left_out is None else whole.rows(left_out[number], len(whole))
        moves = Moves.of(series)
        moves = replace(
            moves, day_range=moves.day_range if ranges else None, log_volume=moves.log_volume if volumes else None
        )
        parts.append((series, moves, history_signals(moves, START), KnownEvents.of(whole)))
    items = [
        ItemSignals(timestamps=series.timestamps[1 + START :], signals=signals, has_range=moves.day_range is not None)
        for series, moves, signals, _ in parts
    ]
    across = cross_section_rows(items) if cross_section else [cross_section_rows([item])[0] for item in items]
    return [_rows(*part, rows) for part, rows in zip(parts, across, strict=True)]


def _rows(
    series: PriceSeries, moves: Moves, signals: Signals, known_events: KnownEvents | None, cross_section: np.ndarray
) -> SignalRows:
    calendar = EventCalendar.of(series, moves)
    events = history_events(calendar, len(moves), START - 1)
    known = history_known(known_events, series.timestamps, events)
    return SignalRows(
        timestamps=series.timestamps[1 + START :],
        moves=moves,
        first=START,
        signals=signals,
        cross_section=cross_section,
        flags=np.array([moves.day_range is not None, moves.log_volume is not None], dtype=np.float64),
        calendar=calendar,
        events=events[1:],
        # A row's own day, as it was expected on the row before.
        expected=summary(events[:-1]),
        known_events=known_events,
        known=known[1:],
        passed=known[:-1, :FLAGS],
    )


def histories(tables: Sequence[Sequence[PriceSeries]], *, cross_section: bool) -> list[SignalRows]:
    """The last rows of each series, table by table (`SignalRows.until`); of it only the last LOOKBACK rows count.

    Tables that are the same prices up to different days share what is read of them.
    """
    return _shared(tables, cross_section) or [rows for table in tables for rows in _alone(table, cross_section)]


def _alone(table: Sequence[PriceSeries], cross_section: bool) -> list[SignalRows]:
    left_out = [max(len(series) - LOOKBACK, 0) for series in table]
    parts = zip(table, signal_rows(table, cross_section=cross_section, left_out=left_out), strict=True)
    return [rows.until(len(rows.timestamps), _unit(series)) for series, rows in parts]


def _shared(tables: Sequence[Sequence[PriceSeries]], cross_section: bool) -> list[SignalRows] | None:
    """None where the tables are not the same prices, or a series had other columns on an earlier day."""
    longest: dict[str, PriceSeries] = {}
    shortest: dict[str, int] = {}
    for series in (series for table in tables for series in table):
        if len(series) >= len(longest.get(series.item_id, ())):
            longest[series.item_id] = series
        shortest[series.item_id] = min(len(series), shortest.get(series.item_id, len(series)))
    if len(longest) == sum(map(len, tables)) or not all(_part_of(t, longest, cross_section) for t in tables):
        return None
    left_out = {name: max(rows - LOOKBACK, 0) for name, rows in shortest.items()}
    rows = signal_rows(list(longest.values()), cross_section=cross_section, left_out=list(left_out.values()))
    read = dict(zip(longest, rows, strict=True))
    found = []
    for series in (series for table in tables for series in table):
        whole = read[series.item_id]
        if _columns(series) != (bool(whole.flags[0]), bool(whole.flags[1]), whole.calendar is not None):
            return None
        found.append(whole.until(len(series) - left_out[series.item_id] - 1 - START, _unit(series)))
    return found


def _unit(series: PriceSeries) -> str | None:
    """What days of the calendar its reading may begin at are counted in; None for a series of hours."""
    return _GRID.get(describe(series.timestamps[-LOOKBACK:]).freq)


def _part_of(table: Sequence[PriceSeries], longest: Mapping[str, PriceSeries], cross_section: bool) -> bool:
    """Whether a table is these prices up to a day: each series, and with a cross-section all that had begun."""
    for series in table:
        whole, rows = longest[series.item_id], len(series)
        if series.timestamps[-1] != whole.timestamps[rows - 1] or series.close[-1] != whole.close[rows - 1]:
            return False
        known = whole.events and whole.events.known(series.timestamps[-1])
        if (known and known.digest()) != (series.events and series.events.digest()):
            return False
    last = max(series.timestamps[-1] for series in table)
    return not cross_section or len(table) == len([name for name, of in longest.items() if of.timestamps[0] <= last])


def _columns(series: PriceSeries) -> tuple[bool, bool, bool]:
    """Whether a forecast from the end of a series uses its ranges, its volumes and its calendar."""
    recent = slice(max(len(series) - LOOKBACK, 0), None)
    volumes = series.volume is not None and trades(series.volume[recent])
    return series.has_range, volumes, series.has_range and volumes and recurs(series.timestamps[recent])


def readings(rows: Sequence[SignalRows]) -> list[Reading]:
    """What the network reads before the last row of each of these, in batches of those that stop at the same rows."""
    begun: dict[tuple[int, int], list[int]] = {}  # starts by the history they read and where they begin
    for start, part in enumerate(rows):
        begun.setdefault((id(part.whole), part.begin), []).append(start)
    alike: dict[Any, list[list[int]]] = {}
    for starts in begun.values():
        starts.sort(key=lambda start: rows[start].stop)
        stops = tuple(len(rows[start].timestamps) for start in starts)
        alike.setdefault((*rows[starts[0]].flags, stops), []).append(starts)
    return [
        Reading(inputs=inputs_of([rows[starts[-1]] for starts in groups]), stops=stops, starts=np.array(groups).T)
        for (*_, stops), groups in alike.items()
    ]


def inputs_of(histories: Sequence[SignalRows]) -> BaseInputs:
    """Histories of the same columns and length as the network takes them, (time, history, ...)."""
    signals = np.stack([part.signals.values for part in histories], axis=1)
    return BaseInputs(
        signals=signals,
        flags=np.broadcast_to(histories[0].flags, (*signals.shape[:2], 2)),
        cross_section=np.stack([part.cross_section for part in histories], axis=1),
        events=np.stack([part.events for part in histories], axis=1),
        expected=np.stack([part.expected for part in histories], axis=1),
        known=np.stack([part.known for part in histories], axis=1),
        passed=np.stack([part.passed for part in histories], axis=1),
    )
