"""What every baseline shares: a forecast for each item, its own or the random walk's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from jaxtyping import Float

from gatecast.calendars import future_timestamps
from gatecast.errors import TooFewRows, UsageError, check_whole
from gatecast.executors import caught_warnings
from gatecast.features.contract import FLOOR
from gatecast.forecast import Forecast, ItemForecast, item_rng
from gatecast.models.baselines.noise import (
    Draws,
    Simulation,
    StudentT,
    cumulated_before,
    fit_student_t,
    noise_of,
    path_density,
)
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, check_prices

LEAST_ROWS = 3  # two returns: the least that has a spread


# Not typing.Self: beartype refuses it where jaxtyping's hook decorates functions, not classes.
AnyBaseline = TypeVar("AnyBaseline", bound="Baseline[Any]")
Learned = TypeVar("Learned")
Result = TypeVar("Result")


class Unfit(Exception):
    """A model cannot answer for an item; its text is the reason, and the random walk answers instead."""


def typical_return(returns: Float[np.ndarray, " time"]) -> float:
    """The standard deviation of log returns, the unit in which they are fitted; raises `Unfit` where it is nil."""
    unit = float(returns.std())
    if unit < FLOOR:
        raise Unfit("its returns hardly vary")
    return unit


@dataclass(frozen=True, eq=False)
class Walk:
    """A random walk in log price: mean log return per step, errors about it, the Student-t fitted to them."""

    drift: float
    errors: Float[np.ndarray, " time"]
    student: StudentT

    @classmethod
    def learn(cls, series: PriceSeries, *, drift: bool = False) -> Walk:
        """From the series' log returns; without `drift` the mean is 0. Raises `TooFewRows` under 3 rows."""
        if len(series) < LEAST_ROWS:
            raise TooFewRows(
                f"a model needs {LEAST_ROWS} rows; '{series.item_id}' has {len(series)}. Give more history."
            )
        returns = np.diff(np.log(series.close))
        mean = float(returns.mean()) if drift else 0.0
        return cls(mean, returns - mean, fit_student_t(returns - mean))

    def simulate(self, draws: Draws) -> Simulation:
        """Bootstrapped errors about the drift; the density is the Student-t about each path's place."""
        returns = self.drift + draws.bootstrap(self.errors)
        centre = cumulated_before(returns) + self.drift
        return Simulation(np.cumsum(returns, axis=1), path_density(centre, 1.0, self.student))


@dataclass(frozen=True, eq=False)
class Fitted(Generic[Learned]):
    """What a model learned of an item (None where it could not), notes on that, and the walk to fall back on."""

    learned: Learned | None
    notes: tuple[Note, ...]
    walk: Walk


class Baseline(ABC, Generic[Learned]):
    """A model that learns each item on its own. `fitted_` maps item ids to what was learned.

    Where a model cannot learn or answer (too few rows, no convergence, an item `fit` never saw), the item's
    forecast is the random walk's for the same seed, and its notes say why.
    """

    name: ClassVar[str]
    min_rows: ClassVar[int] = 30  # under this a parameter estimate says nothing

    fitted_: dict[str, Fitted[Learned]]

    @abstractmethod
    def _learn(self, series: PriceSeries) -> Learned:
        """The item's parameters from these rows; raises `Unfit` with the reason."""

    @abstractmethod
    def _simulate(self, series: PriceSeries, learned: Learned, draws: Draws) -> Simulation:
        """Paths after the series' last row with the parameters frozen; raises `Unfit` with the reason."""

    def fit(self: AnyBaseline, prices: PriceTable) -> AnyBaseline:
        """Learn each item from its rows; returns self. Raises `TooFewRows` where an item has under 3 rows."""
        check_prices(prices)
        self.fitted_ = {series.item_id: self._fit_item(series) for series in prices}
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Simulate after each item's last row; the same seed gives the same bytes, with any other items."""
        if not hasattr(self, "fitted_"):
            raise UsageError(f"a model predicts after it is fitted; '{self.name}' is not. Call fit(prices) first.")
        check_prices(prices)
        check_whole("horizon", horizon, least=1, example=30)
        check_whole("paths", paths, least=1, example=1000)
        check_whole("seed", seed, least=0, example=0)
        items = []
        for series in prices:
            fitted = self.fitted_.get(series.item_id)
            if fitted is None:
                stranger = self._fallback_note(series, "it was not among the items of fit")
                fitted = Fitted(None, (stranger,), Walk.learn(series))
            simulation, notes = self._simulate_or_walk(series, fitted, horizon, paths, seed)
            future = future_timestamps(series, horizon, prices.calendar)
            item = ItemForecast.of(series, future, simulation.log_returns, simulation.density, notes)
            items.append(replace(item, noise=noise_of(simulation.log_returns)) if paths > 1 else item)
        return Forecast(items=tuple(items), seed=seed)

    def _fit_item(self, series: PriceSeries) -> Fitted[Learned]:
        walk = Walk.learn(series)

        def learn() -> Learned:
            if len(series) < self.min_rows:
                raise Unfit(f"it learns from {self.min_rows} rows or more, and there are fewer")
            return self._learn(series)

        return Fitted(*self._attempt(series, learn), walk)

    def _simulate_or_walk(
        self, series: PriceSeries, fitted: Fitted[Learned], horizon: int, paths: int, seed: int
    ) -> tuple[Simulation, tuple[Note, ...]]:
        def simulate(learned: Learned) -> Simulation:
            simulation = self._simulate(series, learned, Draws(horizon, paths, item_rng(series.item_id, seed)))
            if not np.isfinite(simulation.log_returns).all():
                raise Unfit("its paths are not finite")
            return simulation

        simulation, notes = None, fitted.notes
        if fitted.learned is not None:
            simulation, more = self._attempt(series, partial(simulate, fitted.learned))
            notes += more
        if simulation is None:
            simulation = fitted.walk.simulate(Draws(horizon, paths, item_rng(series.item_id, seed)))
        return simulation, notes

    def _attempt(self, series: PriceSeries, work: Callable[[], Result]) -> tuple[Result | None, tuple[Note, ...]]:
        """What `work` gives, and its warnings; None, and the reason, where it cannot."""
        try:
            with caught_warnings() as caught:
                result = work()
        except (Unfit, np.linalg.LinAlgError) as reason:
            return None, (self._fallback_note(series, reason),)
        texts = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
        return result, tuple(Note("model", f"{self.name} warned: {text}", (series.item_id,)) for text in texts)

    def _fallback_note(self, series: PriceSeries, reason: object) -> Note:
        text = f"{self.name} cannot forecast: {reason}; this is the random walk's forecast"
        return Note("fallback", text, (series.item_id,))
