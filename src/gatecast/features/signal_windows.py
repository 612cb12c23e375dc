"""What the base network sees along simulated paths: the feature set, and windows that slide by a row a day."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from gatecast.features.contract import WINDOW, Day, Reading, Student, Windows
from gatecast.features.cross_section import CROSS_SECTION, LEAST_ITEMS, contributes, contribution, cross_section_of
from gatecast.features.event_calendar import future_events, summary
from gatecast.features.known_events import FLAGS, future_known
from gatecast.features.long_run import LongRun, Sizes, kept, with_scaled_drift, without_drift
from gatecast.features.signal_rows import BaseInputs, SignalRows, histories, inputs_of, readings
from gatecast.features.signals import Moves, Sums, evaluate, far_size, joined, long_run_volatility, range_of
from gatecast.prices import PriceSeries

PULL = 0.5  # of a path's scale to the series' own: half of a distance is gone in some 15 steps


@dataclass(frozen=True)
class SignalFeatures:
    """The feature set of the base network; without `cross_section` each item is read by itself."""

    cross_section: bool = True

    def across(self, items: int) -> bool:
        """With the cross-section of a table that has one, which goes on along paths."""
        return self.cross_section and items >= LEAST_ITEMS

    def meet(self, windows: Sequence[Windows], tables: Sequence[np.ndarray]) -> None:
        """Each path's cross-section of its newest day: over the items of its table that trade on it, if enough do."""
        grown = [window for window in windows if isinstance(window, SignalWindows)]
        values = np.concatenate([window.contribution() for window in grown])
        has = np.concatenate([window.has for window in grown])
        dates = np.unique(np.concatenate([window.dates for window in grown]), return_inverse=True)[1]
        days = dates + len(dates) * np.concatenate(tables)
        across = np.full((*values.shape[:2], CROSS_SECTION), np.nan)
        for day in np.unique(days):
            on = days == day
            if on.sum() >= LEAST_ITEMS:
                across[on] = cross_section_of(values[on], has[on])
        ends = np.cumsum([len(table) for table in tables])[:-1]
        for window, seen in zip(grown, np.split(across, ends), strict=True):
            window.see(seen)

    def history(self, tables: Sequence[Sequence[PriceSeries]]) -> list[SignalRows]:
        """The last rows of each series, read once where tables are the same prices up to different days."""
        return histories(tables, cross_section=self.cross_section)

    def readings(self, rows: Sequence[SignalRows]) -> list[Reading]:
        """What is read before the last row of each, whatever the paths: no mask lies before the LSTM."""
        return readings(rows)

    def context(self, rows: SignalRows, future: np.ndarray) -> BaseInputs:
        """A history as the network reads it, (time, 1, ...), before the first of the timestamps `future`."""
        inputs = inputs_of([rows])
        inputs.events[-1] = ahead = future_events(rows.calendar, future)[:1]
        inputs.known[-1] = future_known(rows.known_events, rows.timestamps, future[:1], ahead)
        return inputs

    def alike(self, rows: SignalRows) -> Hashable:
        """Histories with the same columns can go on together."""
        return tuple(rows.flags)

    def start(self, rows: Sequence[SignalRows], future: Sequence[np.ndarray], paths: int) -> SignalWindows:
        """Windows of `paths` paths from the end of each history; beyond it a cross-section is known where they meet."""
        return SignalWindows(rows, future, paths)


class SignalWindows:
    """The trailing windows of every path and the sums over them; they slide by one row a day."""

    def __init__(self, rows: Sequence[SignalRows], future: Sequence[np.ndarray], paths: int) -> None:
        self._rows, self._paths, self._future = rows, paths, future
        self._ahead = np.stack([future_events(part.calendar, ahead) for part, ahead in zip(rows, future, strict=True)])
        self._known = np.stack(
            [
                future_known(part.known_events, part.timestamps, ahead, events)
                for part, ahead, events in zip(rows, future, self._ahead, strict=True)
            ]
        )
        self._past = joined([part.moves for part in rows], _last_windows)
        self._drawn: list[Moves] = []  # what each path drew since, a day each
        real = np.array([min(len(part.moves), WINDOW) for part in rows])
        self._sums = Sums.of(self._past, real).repeated(paths)
        self._now = joined([part.signals for part in rows], lambda parts: _last(parts).repeat(paths, axis=0))
        long_run = np.repeat([long_run_volatility(part.moves) for part in rows], paths)
        self._long_run = LongRun(volatility=long_run, pull=PULL)
        self._drift_factor = np.array([part.drift_factor for part in rows]).repeat(paths)
        self._sizes = Sizes(np.array([far_size(part.moves) for part in rows]))
        self._own_overnight = self._now.overnight
        self._current = True  # whether sums and signals are of the newest day
        self._total = np.zeros(len(rows) * paths)
        self._across: Float[np.ndarray, "1 row cross_section"] | None = None

    @property
    def log_return(self) -> Float[np.ndarray, " row"]:
        """The log return of each path since its start."""
        return self._total

    @property
    def day_range(self) -> Float[np.ndarray, " row"] | None:
        """The Parkinson volatility of each path's newest day; None without ranges."""
        return self._before(0).day_range

    @property
    def dates(self) -> np.ndarray:
        """The timestamp of the newest day of each start."""
        return np.array([ahead[len(self._drawn) - 1] for ahead in self._future])

    @property
    def has(self) -> Bool[np.ndarray, "start part"]:
        """Which parts of a cross-section each start contributes to."""
        return np.stack([contributes(part.moves.day_range is not None) for part in self._rows])

    def contribution(self) -> Float[np.ndarray, "start path part"]:
        """What the newest day of each path contributes to a cross-section."""
        self._bring_up_to_date()
        return contribution(self._now).reshape(len(self._rows), self._paths, -1)

    def see(self, cross_section: Float[np.ndarray, "start path cross_section"]) -> None:
        """The cross-section of the newest day."""
        self._across = cross_section.reshape(1, len(self._total), -1)

    def inputs(self) -> BaseInputs:
        """The newest row of each history, (1, start, ...); later that of each path, (1, row, ...)."""
        if self._drawn:
            self._bring_up_to_date()
            return BaseInputs(
                signals=self._now.values[None],
                flags=np.broadcast_to(self._rows[0].flags, (1, len(self._rows), 2)),
                cross_section=self._across,
                events=self._ahead[None, :, len(self._drawn)],
                expected=summary(self._ahead[None, :, len(self._drawn) - 1]),
                known=self._known[None, :, len(self._drawn)],
                passed=self._known[None, :, len(self._drawn) - 1, :FLAGS],
            )
        newest: BaseInputs = inputs_of([part.newest for part in self._rows])
        # The next timestamp is known, and may be no calendar day later.
        return replace(newest, events=self._ahead[None, :, 0], known=self._known[None, :, 0])

    def density(self, day: Day) -> Student | None:
        """The density of the log return since the start, given all that came before `day`."""
        density = self._expected(day).density
        return None if density is None else density.moved(self._total, self._scale)

    def append(self, day: Day) -> None:
        """Add a simulated day to every path."""
        now, past, scale = self._now, self._past, self._scale
        day = self._expected(day)
        self._sizes.learn(day.value.reshape(len(self._rows), self._paths), self._step)
        move = self._long_run.bounded(day.value * scale, self._step)
        self._total = self._total + move
        day_range = None if past.day_range is None else range_of(day.log_range, scale, self._overnight)
        log_volume = None if past.log_volume is None else now.usual_volume + day.log_volume
        self._drawn.append(Moves(log_return=move, day_range=day_range, log_volume=log_volume))
        self._current = False

    def _expected(self, day: Day) -> Day:
        """A simulated day with the drift of a row, which may be a week; without one beyond the near steps."""
        return without_drift(with_scaled_drift(day, self._drift_factor), self._step)

    def _bring_up_to_date(self) -> None:
        """The signals of the newest day, once they are asked for: the last day of a path needs none."""
        if not self._current:
            self._sums = self._sums.moved(self._before)
            self._now = evaluate(self._sums)
            self._current = True

    @property
    def _step(self) -> int:
        """How many steps ahead the next day is."""
        return len(self._drawn) + 1

    @property
    def _scale(self) -> Float[np.ndarray, " row"]:
        """What the next day is drawn in units of."""
        divisor = self._sizes.divisor(self._step).repeat(self._paths)
        return np.asarray(self._long_run.scale(self._now.scale, self._step) / divisor)

    @property
    def _overnight(self) -> Float[np.ndarray, " row"]:
        """How the next day's move stands to its range: beyond the near steps as it did before the start."""
        share = kept(self._step)
        return np.asarray(self._now.overnight**share * self._own_overnight ** (1 - share))

    def _before(self, rows: int) -> Moves:
        """The day of every path that is so many rows before the newest."""
        place = len(self._drawn) - 1 - rows
        return self._drawn[place] if place >= 0 else self._past.each(lambda past: past[:, place].repeat(self._paths))


def _last_windows(columns: Sequence[np.ndarray]) -> Float[np.ndarray, "start window"]:
    return np.stack([np.pad(column[-WINDOW:], (max(WINDOW - len(column), 0), 0)) for column in columns])


def _last(columns: Sequence[np.ndarray]) -> Float[np.ndarray, "start ..."]:
    return np.stack([column[-1] for column in columns])
