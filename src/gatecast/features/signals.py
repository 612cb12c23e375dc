"""What the base network sees of a day: eighteen scale-free signals, each a function of a finite trailing window.

One function, `evaluate`, serves the rows of a history and the last rows of a thousand paths alike. It needs sums over
the trailing window, which a history takes from its windows (`Sums.of`), and which a path brings up to date with each
day that comes and goes (`Sums.moved`). Every signal is a return, a range or a volume against the series' own recent
ones, so neither currency nor calmness enters. Row t is the move into the price of row t + 1; nothing here looks past
a window's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
_MEAN_SIZE = np.sqrt(2 / np.pi)  # E|z| of a standard normal: sizes become volatilities
_RANGE_HALF_LIFE, _CLOSE_HALF_LIFE = (8.0, 12.0)  # of the scale; ranges tell more a day, so fewer days are needed
_CHUNK = 4096  # rows at a time: bounds memory whatever the history's length

_AGE = np.arange(WINDOW - 1, -1, -1.0)


def _decay(half_life: float) -> Float[np.ndarray, " window"]:
    return np.asarray(0.5 ** (_AGE / half_life))


@dataclass(frozen=True)
class _Weights:
    """Exponential weights over the window, a column a half-life (infinite: every row alike)."""

    half_lives: tuple[float, ...]

    @cached_property
    def columns(self) -> Float[np.ndarray, "window mean"]:
        return np.stack([_decay(half_life) for half_life in self.half_lives], axis=1)

    @cached_property
    def of_newest(self) -> Float[np.ndarray, "rows mean"]:
        """Sums of the newest 0, 1, ..., WINDOW weights."""
        return np.vstack([np.zeros(len(self.half_lives)), np.cumsum(self.columns[::-1], axis=0)])

    @cached_property
    def decay(self) -> Float[np.ndarray, " mean"]:
        """By how much a weight falls a row."""
        return np.asarray(0.5 ** (1 / np.array(self.half_lives)))


_SPELLS = (2.0, 5.0, 20.0, 50.0, np.inf)
_OF_SIZE, _OF_RANGE = _Weights((*_SPELLS, 10.0, _CLOSE_HALF_LIFE)), _Weights((*_SPELLS, _RANGE_HALF_LIFE))
_OF_FALLS, _OF_VOLUME = _Weights((10.0,)), _Weights((2.0, 20.0))
MOMENTUM_ROWS = np.array([5, 20, 60])
_MOMENTUM = (_AGE[:, None] < MOMENTUM_ROWS).astype(float)


@dataclass(frozen=True, kw_only=True)
class Moves:
    """A series as moves: log returns, the Parkinson (1980) volatility of each day, its log volume; (time,) each.

    `day_range` and `log_volume` are None where the series has none that can be used.
    """

    log_return: Float[np.ndarray, " time"]
    day_range: Float[np.ndarray, " time"] | None
    log_volume: Float[np.ndarray, " time"] | None

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


def _log_volume(volume: Float[np.ndarray, " row"] | None) -> Float[np.ndarray, " time"] | None:
    """Log volume, a day without trade taking the day before's; None where too few days have any."""
    if volume is None or (volume > 0).mean() <= TRADED_SHARE:
        return None
    traded = np.maximum.accumulate(np.where(volume > 0, np.arange(len(volume)), 0))
    # Before the first trade every row takes the first traded volume: no change, whatever it is.
    traded = np.maximum(traded, int(np.argmax(volume > 0)))
    return np.asarray(np.log(volume[traded])[1:])


@dataclass(frozen=True, kw_only=True)
class Recent:
    """Trailing windows (row, WINDOW), newest last, zeros in front; `rows` counts the real moves."""

    log_return: Float[np.ndarray, "row window"]
    day_range: Float[np.ndarray, "row window"] | None
    log_volume: Float[np.ndarray, "row window"] | None
    rows: Int[np.ndarray, " row"]


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What the signals are made of: weighted sums over each row's window, and its newest day; (row, ...) each."""

    log_return: Float[np.ndarray, " row"]
    day_range: Float[np.ndarray, " row"] | None
    log_volume: Float[np.ndarray, " row"] | None
    of_size: Float[np.ndarray, "row size"]
    of_falls: Float[np.ndarray, "row fall"]
    of_range: Float[np.ndarray, "row range"] | None
    of_volume: Float[np.ndarray, "row volume"] | None
    momentum: Float[np.ndarray, "row momentum"]
    rows: Int[np.ndarray, " row"]

    @classmethod
    def of(cls, recent: Recent) -> Sums:
        """From whole windows."""
        log_return, day_range, log_volume = recent.log_return, recent.day_range, recent.log_volume
        return cls(
            log_return=log_return[:, -1],
            day_range=None if day_range is None else day_range[:, -1],
            log_volume=None if log_volume is None else log_volume[:, -1],
            of_size=np.abs(log_return) @ _OF_SIZE.columns,
            of_falls=np.maximum(-log_return, 0) @ _OF_FALLS.columns,
            of_range=None if day_range is None else day_range @ _OF_RANGE.columns,
            of_volume=None if log_volume is None else log_volume @ _OF_VOLUME.columns,
            momentum=log_return @ _MOMENTUM,
            rows=recent.rows,
        )

    def repeated(self, times: int) -> Sums:
        """Every row so many times, one after the other."""
        parts: dict[str, Any] = {}
        for name, part in vars(self).items():
            parts[name] = None if part is None else part.repeat(times, axis=0)
        return Sums(**parts)

    def moved(self, new: Recent, old: Recent, old_momentum: Float[np.ndarray, "row momentum"]) -> Sums:
        """The sums a day later, from windows of one row: the new day, and the day that leaves the window.

        `old_momentum` are the returns that leave the momentum sums. Where no day leaves, zeros do.
        """
        return Sums(
            log_return=new.log_return[:, 0],
            day_range=None if new.day_range is None else new.day_range[:, 0],
            log_volume=None if new.log_volume is None else new.log_volume[:, 0],
            of_size=_slid(_OF_SIZE, self.of_size, np.abs(new.log_return), np.abs(old.log_return)),
            of_falls=_slid(_OF_FALLS, self.of_falls, np.maximum(-new.log_return, 0), np.maximum(-old.log_return, 0)),
            of_range=_slid_if(_OF_RANGE, self.of_range, new.day_range, old.day_range),
            of_volume=_slid_if(_OF_VOLUME, self.of_volume, new.log_volume, old.log_volume),
            momentum=self.momentum + new.log_return - old_momentum,
            rows=np.minimum(self.rows + 1, WINDOW),
        )


def _slid(
    weights: _Weights,
    sums: Float[np.ndarray, "row mean"],
    new: Float[np.ndarray, "row 1"],
    old: Float[np.ndarray, "row 1"],
) -> Float[np.ndarray, "row mean"]:
    """Older values lose a row's weight, the newest counts whole, and the oldest leaves with its remaining weight."""
    return np.asarray(sums * weights.decay + new - old * weights.decay**WINDOW)


def _slid_if(
    weights: _Weights,
    sums: Float[np.ndarray, "row mean"] | None,
    new: Float[np.ndarray, "row 1"] | None,
    old: Float[np.ndarray, "row 1"] | None,
) -> Float[np.ndarray, "row mean"] | None:
    return None if sums is None or new is None or old is None else _slid(weights, sums, new, old)


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

    def since(self, first: int) -> Signals:
        """Without the rows before `first`."""
        return Signals(**{name: part[first:] for name, part in vars(self).items()})


def evaluate(sums: Sums) -> Signals:
    """The signals at each window's end.

    The scale is an exponential average of daily ranges (half-life 8), lifted to the level of close-to-close moves,
    or of absolute returns (half-life 12): sizes, not squares, so that one crash does not blind it for months.
    """
    sizes = sums.of_size / (_MEAN_SIZE * _OF_SIZE.of_newest[sums.rows])
    typical = np.maximum(sizes[:, 4], FLOOR)
    overnight, scale = np.ones(len(sizes)), sizes[:, 6]
    if sums.of_range is not None:
        ranges = sums.of_range / _OF_RANGE.of_newest[sums.rows]
        overnight = np.clip(typical / np.maximum(ranges[:, 4], FLOOR), 0.3, 4.0)
        scale = overnight * ranges[:, 5]
    scale = np.maximum(np.maximum(scale, QUIET_SHARE * typical), FLOOR)
    ratio = sums.log_return / scale
    values = np.zeros((len(sizes), SIGNALS))
    values[:, 0] = np.clip(ratio, -6, 6) / 2
    values[:, 1] = np.log(np.minimum(np.abs(ratio), 20) + 0.1)
    values[:, 2:6] = np.log(sizes[:, :4] / scale[:, None] + SOFT)
    if sums.of_range is not None and sums.day_range is not None:
        values[:, 6] = np.log(overnight * sums.day_range / scale + SOFT)
        values[:, 7:11] = np.log((overnight / scale)[:, None] * ranges[:, :4] + SOFT)
        values[:, 11] = np.log(overnight)
    values[:, 12:15] = np.clip(sums.momentum / (scale[:, None] * np.sqrt(MOMENTUM_ROWS)), -5, 5) / 2
    falls = sums.of_falls[:, 0] / (_MEAN_SIZE * _OF_FALLS.of_newest[sums.rows, 0])
    values[:, 15] = 2 * (falls / np.maximum(sizes[:, 5], FLOOR) - 0.5)
    usual_volume = np.zeros(len(sizes))
    if sums.of_volume is not None and sums.log_volume is not None:
        volumes = sums.of_volume / _OF_VOLUME.of_newest[sums.rows]
        usual_volume = volumes[:, 1]
        values[:, 16] = np.clip(sums.log_volume - usual_volume, -2, 3)
        values[:, 17] = np.clip(volumes[:, 0] - usual_volume, -2, 2)
    return Signals(values=values, scale=scale, overnight=overnight, usual_volume=usual_volume)


def history_signals(moves: Moves, first: int = 0) -> Signals:
    """The signals of every move from `first` on; row t uses moves up to t alone."""
    windows = [_padded(values) for values in (moves.log_return, moves.day_range, moves.log_volume)]
    parts = []
    for start in range(first, len(moves), _CHUNK):
        stop = min(start + _CHUNK, len(moves))
        log_return, day_range, log_volume = (
            None if values is None else sliding_window_view(values, WINDOW)[start:stop] for values in windows
        )
        assert log_return is not None
        rows = np.minimum(np.arange(start, stop) + 1, WINDOW)
        parts.append(
            evaluate(Sums.of(Recent(log_return=log_return, day_range=day_range, log_volume=log_volume, rows=rows)))
        )
    return Signals(
        values=np.concatenate([part.values for part in parts]),
        scale=np.concatenate([part.scale for part in parts]),
        overnight=np.concatenate([part.overnight for part in parts]),
        usual_volume=np.concatenate([part.usual_volume for part in parts]),
    )


def _padded(values: Float[np.ndarray, " time"] | None) -> Float[np.ndarray, " longer"] | None:
    return None if values is None else np.concatenate([np.zeros(WINDOW - 1), values])


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
