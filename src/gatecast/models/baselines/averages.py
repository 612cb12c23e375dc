"""Moving averages as forecasts: the average of past closes is the price of each step ahead."""

from __future__ import annotations

import numbers
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from gatecast.errors import ConfigError, briefly
from gatecast.features.indicators import WARMUP, last_volatility, volatility
from gatecast.models.baselines.contract import Baseline, Unfit
from gatecast.models.baselines.direct import log_returns_ahead, simulate_direct
from gatecast.models.baselines.noise import Draws, Simulation
from gatecast.models.baselines.recursion import recursive
from gatecast.prices import PriceSeries

LONGEST = 10_000  # rows of memory; 40 years of sessions


@dataclass(frozen=True, eq=False)
class AverageHistory:
    """The closes an average was fitted on and the volatility at each: its past errors are read off them."""

    close: Float[np.ndarray, " time"]
    sigma: Float[np.ndarray, " time"]


class _Average(Baseline[AverageHistory]):
    """What the averages share: a forecast that feeds itself, and bands from its past errors at each step."""

    @abstractmethod
    def _ahead(self, close: Float[np.ndarray, " time"], horizon: int) -> Float[np.ndarray, "time horizon"]:
        """The price each row's average forecasts for each step; a forecast enters the next step's average."""

    @property
    @abstractmethod
    def _warmup(self) -> int:
        """Rows that a full average needs."""

    def _learn(self, series: PriceSeries) -> AverageHistory:
        return AverageHistory(series.close, volatility(series.close))

    def _simulate(self, series: PriceSeries, learned: AverageHistory, draws: Draws) -> Simulation:
        if len(series) < self._warmup:
            raise Unfit(f"it averages {self._warmup} rows, and there are fewer")
        actual = log_returns_ahead(np.log(learned.close), draws.horizon)
        origins = np.arange(max(self._warmup, WARMUP) - 1, len(actual))
        if len(origins) == 0:
            raise Unfit(f"its rows leave no past forecast of {draws.horizon} steps")
        predicted = np.log(self._ahead(learned.close, draws.horizon)[origins] / learned.close[origins, None])
        errors = (actual[origins] - predicted) / learned.sigma[origins, None]
        centre = np.log(self._ahead(series.close, draws.horizon)[-1] / series.close[-1])
        return simulate_direct(centre, last_volatility(series.close), errors, draws)


@dataclass(kw_only=True, eq=False)
class Sma(_Average):
    """The simple average of the last `window` closes."""

    window: int = 20  # rows; a month of sessions, the average most charts show
    name: ClassVar[str] = "sma"

    def __post_init__(self) -> None:
        if not isinstance(self.window, numbers.Integral) or not 1 <= self.window <= LONGEST:
            got = briefly(self.window)
            raise ConfigError(f"an average's window is 1 to {LONGEST} rows; got {got}. Give for example 20.")

    @property
    def _warmup(self) -> int:
        return self.window

    def _ahead(self, close: Float[np.ndarray, " time"], horizon: int) -> Float[np.ndarray, "time horizon"]:
        # Row t averages padded[t : t + window]; what leaves the window leaves the sum.
        padded = np.concatenate([np.full(self.window - 1, close[0]), close])
        total = np.convolve(padded, np.ones(self.window), mode="valid")
        forecasts: list[np.ndarray] = []
        for step in range(horizon):
            forecasts.append(total / self.window)
            past = step < self.window
            leaving = padded[step : step + len(close)] if past else forecasts[step - self.window]
            total = total - leaving + forecasts[-1]
        return np.stack(forecasts, axis=1)


@dataclass(kw_only=True, eq=False)
class Ema(_Average):
    """The exponential average whose weights halve every `half_life` rows; its own forecast does not change it."""

    half_life: float = 10.0  # rows; about the memory of a 30-row EMA as charts define it
    name: ClassVar[str] = "ema"

    def __post_init__(self) -> None:
        if not isinstance(self.half_life, numbers.Real) or not 0 < self.half_life <= LONGEST:
            got = briefly(self.half_life)
            raise ConfigError(f"a half-life is above 0 and at most {LONGEST} rows; got {got}. Give for example 10.")

    @property
    def _warmup(self) -> int:
        return int(np.ceil(3 * self.half_life))  # the first close then weighs an eighth

    def _ahead(self, close: Float[np.ndarray, " time"], horizon: int) -> Float[np.ndarray, "time horizon"]:
        keep = 0.5 ** (1 / self.half_life)
        average = recursive((1 - keep) * close, keep, close[0])
        return np.repeat(average[:, None], horizon, axis=1)
