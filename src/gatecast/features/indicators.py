"""Indicators: each a function of a finite trailing window, so that a simulated path can recompute it.

One function, `evaluate`, serves the rows of a history and the last rows of a thousand paths alike. Prices enter
only as ratios to the window's last close, so no feature knows the currency (the price level of
`returns="none"` aside). Nothing here looks past a window's end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from gatecast.config import Config
from gatecast.features.contract import FLOOR, WINDOW, parkinson
from gatecast.features.event_features import event_features, event_names, kinds_of
from gatecast.prices import PriceSeries

CLOSES = WINDOW + 1  # closes a feature may look back on
WARMUP = 20  # rows an item needs before its first usable one: the 20 closes of SMA and Bollinger
DECAY = 0.94  # of the trailing variance; RiskMetrics (1996), daily
SLOW_DECAY = 0.99  # of the longer volatility; half-life of 69 rows
_COLLAPSED = 1e-9  # Bollinger bands narrower than this share of the price are rounding
_CHUNK = 4096  # rows evaluated at a time: bounds memory at some 20 MB whatever the history's length


@dataclass(frozen=True)
class FeatureSpec:
    """Which features a network sees, eight and those of events: fixed by the settings and by what the items have."""

    returns: str = "log"
    bollinger_guard: bool = True
    has_range: bool = False
    has_volume: bool = False
    event_kinds: tuple[str, ...] = ()  # each gives three more
    valued_kinds: tuple[str, ...] = ()  # of these; each gives another two

    @classmethod
    def of(cls, series: Iterable[PriceSeries], config: Config | None = None) -> FeatureSpec:
        """The features that all of these items can give; a column that an item lacks is left out for all."""
        items, config = list(series), config or Config()
        kinds, valued = kinds_of(items) if config.events else ((), ())
        return cls(
            returns=config.returns,
            bollinger_guard=config.bollinger_guard,
            has_range=all(series.has_range for series in items),
            has_volume=all(series.volume is not None for series in items),
            event_kinds=kinds,
            valued_kinds=valued,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the last axis of `evaluate`, then of `event_features`."""
        return (
            {"log": "log_return", "simple": "simple_return", "none": "price_level"}[self.returns],
            "log_volatility",
            "sma_20_ratio",
            "macd_12_26",
            "rsi_14",
            "bollinger_position",
            "log_range" if self.has_range else "momentum_10",
            "volume_z" if self.has_volume else "log_slow_volatility",
            *event_names(self.event_kinds, self.valued_kinds),
        )


@dataclass(frozen=True)
class Trailing:
    """Trailing windows (row, CLOSES), newest value last. `rows` counts the real ones; older ones repeat the first."""

    log_close: Float[np.ndarray, "row window"]
    rows: Int[np.ndarray, " row"]
    log_range: Float[np.ndarray, " row"] | None = None
    log_volume: Float[np.ndarray, "row window"] | None = None


def log_range(series: PriceSeries) -> Float[np.ndarray, " time"]:
    """Log of each day's Parkinson volatility."""
    return np.asarray(np.log(parkinson(series)))


def log_volume(series: PriceSeries) -> Float[np.ndarray, " time"]:
    """log(1 + volume): a day without trade is a quiet day, not a hole."""
    assert series.volume is not None
    return np.asarray(np.log1p(series.volume))


def padded(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, " longer"]:
    """`values` with the first repeated WINDOW times in front: before its first row the price stood still."""
    return np.concatenate([np.full(WINDOW, values[0]), values])


def windows_of(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time window"]:
    """The CLOSES values up to each row, as views on the padded history."""
    return sliding_window_view(padded(values), CLOSES)


def _trailing(series: PriceSeries, spec: FeatureSpec, start: int, stop: int) -> Trailing:
    """The windows of rows start..stop."""
    return Trailing(
        log_close=windows_of(np.log(series.close))[start:stop],
        rows=np.minimum(np.arange(start, stop) + 1, CLOSES),
        log_range=log_range(series)[start:stop] if spec.has_range else None,
        log_volume=windows_of(log_volume(series))[start:stop] if spec.has_volume else None,
    )


def series_features(series: PriceSeries, spec: FeatureSpec) -> Float[np.ndarray, "time feature"]:
    """The features of every row; row t uses rows up to t alone. Rows before WARMUP are defined but coarse.

    >>> from gatecast.prices import PriceTable
    >>> table = PriceTable.from_close({"X": ([1.0] * 30, np.arange(30).astype("datetime64[D]"))})
    >>> float(series_features(table["X"], FeatureSpec())[-1, 5])  # the guard: no band, no position
    0.5
    """
    return with_events(_indicators(series, spec), event_features(series, spec.event_kinds, valued=spec.valued_kinds))


def recent_features(series: PriceSeries, spec: FeatureSpec, rows: int) -> Float[np.ndarray, "row feature"]:
    """The last `rows` of `series_features`, from as many rows as these need."""
    recent = series.rows(max(len(series) - rows - CLOSES, 0), len(series))
    events = event_features(series, spec.event_kinds, valued=spec.valued_kinds)
    return with_events(_indicators(recent, spec), events[-len(recent) :])[-rows:]


def with_events(
    indicators: Float[np.ndarray, "row indicator"], events: Float[np.ndarray, "row event"]
) -> Float[np.ndarray, "row feature"]:
    """The features of both, side by side."""
    return np.hstack([indicators, events]) if events.shape[1] else indicators


def _indicators(series: PriceSeries, spec: FeatureSpec) -> Float[np.ndarray, "time indicator"]:
    n = len(series)
    chunks = [_trailing(series, spec, start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
    return np.concatenate([evaluate(chunk, spec)[0] for chunk in chunks])


def volatility(close: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Trailing volatility of log returns per row, the scale that rides with each window; see `evaluate`."""
    windows = windows_of(np.log(close))
    parts = []
    for start in range(0, len(close), _CHUNK):
        rows = np.minimum(np.arange(start, min(start + _CHUNK, len(close))) + 1, CLOSES)
        parts.append(_ewma_volatility(np.diff(windows[start : start + _CHUNK], axis=-1), rows, DECAY))
    return np.concatenate(parts)


def last_volatility(close: Float[np.ndarray, " time"]) -> float:
    """`volatility` after the last row, which looks back on CLOSES rows: no other is computed."""
    window = windows_of(np.log(close[-CLOSES:]))[-1:]
    return float(_ewma_volatility(np.diff(window, axis=-1), np.array([min(len(close), CLOSES)]), DECAY)[0])


def evaluate(
    trailing: Trailing, spec: FeatureSpec
) -> tuple[Float[np.ndarray, "row feature"], Float[np.ndarray, " row"]]:
    """The eight features at each window's end, and the trailing volatility there.

    Sources: EWMA volatility, RiskMetrics (1996), section 5.2; MACD, Appel (1979); RSI, Wilder (1978), with his
    smoothing 1/14; Bollinger (2001), 20 rows and two population standard deviations; range, Parkinson (1980).
    """
    logs = trailing.log_close
    log_returns = np.diff(logs, axis=-1)
    relative = np.exp(logs - logs[:, -1:])  # past closes as shares of the last one
    sigma = _ewma_volatility(log_returns, trailing.rows, DECAY)
    last_20 = relative[:, -20:]
    mean_20, std_20 = last_20.mean(axis=-1), last_20.std(axis=-1)
    columns = [
        _first(spec.returns, logs, log_returns),
        np.log(sigma),
        1 / mean_20 - 1,
        relative @ _MACD,
        _rsi(relative),
        _bollinger_position(mean_20, std_20, guard=spec.bollinger_guard),
        logs[:, -1] - logs[:, -11] if trailing.log_range is None else trailing.log_range,
        np.log(_ewma_volatility(log_returns, trailing.rows, SLOW_DECAY))
        if trailing.log_volume is None
        else _volume_z(trailing.log_volume[:, -20:]),
    ]
    return np.stack(columns, axis=-1), sigma


def _first(returns: str, logs: np.ndarray, log_returns: np.ndarray) -> np.ndarray:
    if returns == "none":
        return np.asarray(np.exp(logs[:, -1]))
    last: np.ndarray = log_returns[:, -1]
    return last if returns == "log" else np.asarray(np.expm1(last))


def _smoothing(alpha: float, length: int) -> Float[np.ndarray, " length"]:
    """Weights of an exponential average, newest last, sum 1."""
    weights = (1 - alpha) ** np.arange(length)[::-1]
    return np.asarray(weights / weights.sum())


_MACD = _smoothing(2 / 13, CLOSES) - _smoothing(2 / 27, CLOSES)
_WILDER = _smoothing(1 / 14, WINDOW)


def _ewma_volatility(
    log_returns: Float[np.ndarray, "row past"], rows: Int[np.ndarray, " row"], decay: float
) -> Float[np.ndarray, " row"]:
    """sqrt of the exponentially weighted mean of the squared returns there are; never under FLOOR."""
    weights = decay ** np.arange(WINDOW)[::-1]
    mass = np.cumsum(weights[::-1])[np.maximum(rows - 2, 0)]  # of the returns that exist; the rest are zeros
    return np.asarray(np.sqrt(np.square(log_returns) @ weights / mass + FLOOR**2))


def _rsi(relative: Float[np.ndarray, "row window"]) -> Float[np.ndarray, " row"]:
    """Wilder's strength of the last moves, 0 to 1; 0.5 where nothing moved."""
    moves = np.diff(relative, axis=-1)
    gain = np.maximum(moves, 0) @ _WILDER
    total = np.abs(moves) @ _WILDER
    still = total < _COLLAPSED
    return np.asarray(np.where(still, 0.5, gain / np.where(still, 1.0, total)))


def _bollinger_position(
    mean: Float[np.ndarray, " row"], std: Float[np.ndarray, " row"], *, guard: bool
) -> Float[np.ndarray, " row"]:
    """(close - lower) / (upper - lower) with bands at 2 sigma; with the guard exactly 0.5 where they collapse."""
    lower, width = mean - 2 * std, 4 * std
    if not guard:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((1 - lower) / width)
    collapsed = std < _COLLAPSED
    return np.asarray(np.where(collapsed, 0.5, (1 - lower) / np.where(collapsed, 1.0, width)))


def _volume_z(log_volumes: Float[np.ndarray, "row past"]) -> Float[np.ndarray, " row"]:
    """How far the last log volume lies from its mean over 20 rows, in their standard deviations; 0 where flat."""
    std = log_volumes.std(axis=-1)
    flat = std < _COLLAPSED
    return np.asarray(np.where(flat, 0.0, (log_volumes[:, -1] - log_volumes.mean(axis=-1)) / np.where(flat, 1.0, std)))
