"""What the base network sees of a day: eighteen scale-free signals, each a function of a finite trailing window.

One function, `evaluate`, serves the rows of a history and the last rows of a thousand paths alike. It needs sums over
the trailing window, which a history takes from its windows (`Sums.of`), and which a path brings up to date with each
day that comes and goes (`Sums.moved`). Every signal is a return, a range or a volume against the series' own recent
ones, so neither currency nor calmness enters. Row t is the move into the price of row t + 1; nothing here looks past
a window's end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from gatecast.features.contract import FLOOR, WINDOW, parkinson
from gatecast.prices import PriceSeries

START = 20  # moves before the first row the network sees
NAMES = (
    "move",
    "move_size",
    "size_2_days",
    "size_5_days",
    "size_20_days",
    "size_50_days",
    "range_today",
    "range_2_days",
    "range_5_days",
    "range_20_days",
    "range_50_days",
    "overnight_share",
    "momentum_5",
    "momentum_20",
    "momentum_60",
    "falls_share",
    "volume_today",
    "volume_2_days",
)
SIGNALS = len(NAMES)
RANGE_SIGNALS, VOLUME_SIGNALS = slice(6, 12), slice(16, 18)  # zero where the series has none
RANGE_SOFT = 0.02  # added to a range, in scales, before its logarithm
SOFT = 0.05  # added inside logarithms, in trailing volatilities: a day without a move is not infinitely calm
QUIET_SHARE = 0.05  # the scale stays above this share of the window's mean move
TRADED_SHARE = 0.9  # of the days must have volume for it to be used
_MEAN_SIZE = float(np.sqrt(2 / np.pi))  # E|z| of a standard normal: sizes become volatilities
_RANGE_HALF_LIFE, _CLOSE_HALF_LIFE = (8.0, 12.0)  # of the scale; ranges tell more a day, so fewer days are needed
_CHUNK = 4096  # rows at a time: bounds memory whatever the history's length

_AGE = np.arange(WINDOW - 1, -1, -1.0)


@dataclass(frozen=True)
class _Weights:
    """Exponential weights over the window, a column a half-life (infinite: every row alike)."""

    half_lives: tuple[float, ...]
    unit: float = 1.0  # of their means

    @cached_property
    def columns(self) -> Float[np.ndarray, "window mean"]:
        return np.asarray(0.5 ** (_AGE[:, None] / np.array(self.half_lives)))

    @cached_property
    def of_newest(self) -> Float[np.ndarray, "rows mean"]:
        """Sums of the newest 0, 1, ..., WINDOW weights, times `unit`: what makes a weighted sum a mean in that unit."""
        sums = np.vstack([np.zeros(len(self.half_lives)), np.cumsum(self.columns[::-1], axis=0)])
        return self.unit * sums

    @cached_property
    def decay(self) -> Float[np.ndarray, " mean"]:
        """By how much a weight falls a row."""
        return np.asarray(0.5 ** (1 / np.array(self.half_lives)))


_SPELLS = (2.0, 5.0, 20.0, 50.0, np.inf)
_WEIGHTS = {
    "size": _Weights((*_SPELLS, 10.0, _CLOSE_HALF_LIFE), unit=_MEAN_SIZE),
    "fall": _Weights((10.0,), unit=_MEAN_SIZE),
    "range": _Weights((*_SPELLS, _RANGE_HALF_LIFE)),
    "volume": _Weights((2.0, 20.0)),
}
MOMENTUM_ROWS = np.array([5, 20, 60])
_MOMENTUM = (_AGE[:, None] < MOMENTUM_ROWS).astype(float)


@dataclass(frozen=True, kw_only=True)
class Moves:
    """A series as moves: log returns, the Parkinson (1980) volatility of each day, its log volume; (time,) each.

    Or one day of many paths, (row,), or trailing windows, (row, WINDOW), newest last, zeros in front. `day_range` and
    `log_volume` are None where the series has none that can be used.
    """

    log_return: Float[np.ndarray, "*time"]
    day_range: Float[np.ndarray, "*time"] | None
    log_volume: Float[np.ndarray, "*time"] | None

    @classmethod
    def of(cls, series: PriceSeries) -> Moves:
        """The moves between the rows of `series`; one fewer than its rows."""
        return cls(
            log_return=np.diff(np.log(series.close)),
            day_range=parkinson(series)[1:] if series.has_range else None,
            log_volume=_log_volume(series.volume),
        )

    def __len__(self) -> int:
        return len(self.log_return)

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> Moves:
        """Every column that is there, changed."""
        return joined([self], lambda columns: change(columns[0]))


def trades(volume: Float[np.ndarray, " row"]) -> bool:
    """Whether enough days have volume for it to be used."""
    return bool((volume > 0).mean() > TRADED_SHARE)


def _log_volume(volume: Float[np.ndarray, " row"] | None) -> Float[np.ndarray, " time"] | None:
    """Log volume, a day without trade taking the day before's; None where too few days have any."""
    if volume is None or not trades(volume):
        return None
    traded = np.maximum.accumulate(np.where(volume > 0, np.arange(len(volume)), 0))
    # Before the first trade every row takes the first traded volume: no change, whatever it is.
    traded = np.maximum(traded, int(np.argmax(volume > 0)))
    return np.asarray(np.log(volume[traded])[1:])


def _measures(moves: Moves) -> dict[str, np.ndarray]:
    """What is averaged over the window, by the names of _WEIGHTS."""
    sizes, falls = np.abs(moves.log_return), np.maximum(-moves.log_return, 0)
    measures = {"size": sizes, "fall": falls, "range": moves.day_range, "volume": moves.log_volume}
    return {name: values for name, values in measures.items() if values is not None}


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What the signals are made of: weighted sums over each row's window, by name, and its newest day; (row, ...) each.

    `rows` counts the real moves of the window.
    """

    newest: Moves
    weighted: Mapping[str, Float[np.ndarray, "row _"]]
    momentum: Float[np.ndarray, "row momentum"]
    rows: Int[np.ndarray, " row"]

    @classmethod
    def of(cls, windows: Moves, rows: Int[np.ndarray, " row"]) -> Sums:
        """From whole windows."""
        return cls(
            newest=windows.each(lambda column: column[:, -1]),
            weighted={name: values @ _WEIGHTS[name].columns for name, values in _measures(windows).items()},
            momentum=windows.log_return @ _MOMENTUM,
            rows=rows,
        )

    def repeated(self, times: int) -> Sums:
        """Every row so many times, one after the other."""
        return Sums(
            newest=self.newest.each(lambda column: column.repeat(times)),
            weighted={name: sums.repeat(times, axis=0) for name, sums in self.weighted.items()},
            momentum=self.momentum.repeat(times, axis=0),
            rows=self.rows.repeat(times),
        )

    def moved(self, day: Callable[[int], Moves]) -> Sums:
        """The sums a day later; `day` gives the new day (0) and those before it, zeros where there were none.

        Older values lose a row's weight, and the day that leaves the window leaves with its remaining weight.
        """
        new, old = day(0), day(WINDOW)
        old_momentum = np.stack([day(rows).log_return for rows in MOMENTUM_ROWS.tolist()], axis=1)
        entered, left, weighted = _measures(new), _measures(old), {}
        for name, sums in self.weighted.items():
            decay = _WEIGHTS[name].decay
            weighted[name] = sums * decay
            weighted[name] += entered[name][:, None]
            weighted[name] -= left[name][:, None] * decay**WINDOW
        return Sums(
            newest=new,
            weighted=weighted,
            momentum=self.momentum + new.log_return[:, None] - old_momentum,
            rows=np.minimum(self.rows + 1, WINDOW),
        )


@dataclass(frozen=True, kw_only=True)
class Signals:
    """The signals (row, SIGNALS) and what turns them back: all (row,).

    `scale` is the trailing volatility of a day's log return; `overnight` is that of closes over that of ranges (1
    without ranges): what a day's range does not see; `usual_volume` the trailing mean of log volume.
    """

    values: Float[np.ndarray, "row signal"]
    scale: Float[np.ndarray, " row"]
    overnight: Float[np.ndarray, " row"]
    usual_volume: Float[np.ndarray, " row"]


Columns = TypeVar("Columns", Moves, Signals)


def joined(parts: Sequence[Columns], join: Callable[[Sequence[np.ndarray]], np.ndarray]) -> Columns:
    """One of all these parts, column by column; None stays None."""
    columns = {name: [vars(part)[name] for part in parts] for name in vars(parts[0])}
    whole: dict[str, Any] = {name: None if them[0] is None else join(them) for name, them in columns.items()}
    return replace(parts[0], **whole)


def long_run_volatility(moves: Moves) -> float:
    """The volatility over all of these moves, from sizes as the scale is."""
    return float(max(np.abs(moves.log_return).mean() / _MEAN_SIZE, FLOOR))


def far_size(moves: Moves) -> float:
    """The root mean square of moves far along a path, in units of the long-run volatility: 1 where these are normal.

    Half way, in logarithms, from 1 to the root mean square of these moves, in which a crash counts for more than it
    tells of the years ahead (chosen with benchmarks/long_horizon.py).
    """
    square = float(np.sqrt(np.square(moves.log_return).mean()))
    return float(np.sqrt(max(square / long_run_volatility(moves), _MEAN_SIZE)))  # which is that of moves of one size


def evaluate(sums: Sums) -> Signals:
    """The signals at each window's end.

    The scale is an exponential average of daily ranges (half-life 8), lifted to the level of close-to-close moves,
    or of absolute returns (half-life 12): sizes, not squares, so that one crash does not blind it for months.
    """
    means = {name: part / _WEIGHTS[name].of_newest[sums.rows] for name, part in sums.weighted.items()}
    sizes, newest = means["size"], sums.newest
    typical = np.maximum(sizes[:, 4], FLOOR)
    overnight, scale = np.ones(len(sizes)), sizes[:, 6]
    if newest.day_range is not None:
        ranges = means["range"]
        overnight = np.clip(typical / np.maximum(ranges[:, 4], FLOOR), 0.3, 4.0)
        scale = overnight * ranges[:, 5]
    scale = np.maximum(np.maximum(scale, QUIET_SHARE * typical), FLOOR)
    ratio = newest.log_return / scale
    values = np.zeros((len(sizes), SIGNALS))
    values[:, 0] = np.clip(ratio, -6, 6) / 2
    values[:, 1] = np.log(np.minimum(np.abs(ratio), 20) + 0.1)
    values[:, 2:6] = np.log(sizes[:, :4] / scale[:, None] + SOFT)
    if newest.day_range is not None:
        values[:, 6] = np.log(overnight * newest.day_range / scale + SOFT)
        values[:, 7:11] = np.log((overnight / scale)[:, None] * ranges[:, :4] + SOFT)
        values[:, 11] = np.log(overnight)
    values[:, 12:15] = np.clip(sums.momentum / (scale[:, None] * np.sqrt(MOMENTUM_ROWS)), -5, 5) / 2
    values[:, 15] = 2 * (means["fall"][:, 0] / np.maximum(sizes[:, 5], FLOOR) - 0.5)
    usual_volume = np.zeros(len(sizes))
    if newest.log_volume is not None:
        volumes = means["volume"]
        usual_volume = volumes[:, 1]
        values[:, 16] = np.clip(newest.log_volume - usual_volume, -2, 3)
        values[:, 17] = np.clip(volumes[:, 0] - usual_volume, -2, 2)
    return Signals(values=values, scale=scale, overnight=overnight, usual_volume=usual_volume)


def history_signals(moves: Moves, first: int = 0) -> Signals:
    """The signals of every move from `first` on; row t uses moves up to t alone."""
    windows = moves.each(lambda column: sliding_window_view(np.pad(column, (WINDOW - 1, 0)), WINDOW))

    def chunk(start: int) -> Signals:
        stop = min(start + _CHUNK, len(moves))
        rows = np.minimum(np.arange(start, stop) + 1, WINDOW)
        return evaluate(Sums.of(windows.each(lambda column: column[start:stop]), rows))

    return joined([chunk(start) for start in range(first, len(moves), _CHUNK)], np.concatenate)


def next_day(moves: Moves, signals: Signals, first: int = 0) -> Float[np.ndarray, "time 3"]:
    """The targets of each row from `first` on: the next day's return, log range and volume; NaN where unknown.

    Return and range in units of the row's scale, volume against its trailing mean. The last row's are NaN.
    """
    observed = np.full((len(moves) - first, 3), np.nan)
    scale = signals.scale[:-1]
    observed[:-1, 0] = moves.log_return[first + 1 :] / scale
    if moves.day_range is not None:
        ratio = signals.overnight[:-1] * moves.day_range[first + 1 :] / scale
        observed[:-1, 1] = np.log(ratio + RANGE_SOFT)
    if moves.log_volume is not None:
        observed[:-1, 2] = moves.log_volume[first + 1 :] - signals.usual_volume[:-1]
    return observed


def range_of(
    log_range: Float[np.ndarray, " row"], scale: Float[np.ndarray, " row"], overnight: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " row"]:
    """The Parkinson volatility whose log range, as `next_day` has it, is given."""
    return np.asarray(scale / overnight * np.maximum(np.exp(np.minimum(log_range, 4)) - RANGE_SOFT, RANGE_SOFT))
