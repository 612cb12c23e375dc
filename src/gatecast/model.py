"""The model protocol: what the judge asks of a model, whether a network, a moving average or a user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from gatecast.forecast import Forecast
from gatecast.prices import PriceTable

_DAYS_AT_ONCE = 3_200_000  # of all paths, items and cutoffs in a block; bounds memory

# Not typing.Self: beartype refuses it where jaxtyping's hook decorates functions, not classes.
AnyModel = TypeVar("AnyModel", bound="Model")


@runtime_checkable
class Predictor(Protocol):
    """The half of a model that forecasts."""

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Simulate `paths` paths of `horizon` steps after the last row of each item."""


@runtime_checkable
class Model(Predictor, Protocol):
    """What the judge asks of a model, whether a network or a moving average.

    `fit` learns from these rows alone. `predict` may be given later rows: what was learned stays frozen, the
    state (last close, filtered volatility, moving average) follows the new rows. Items keep their order.
    """

    @property
    def name(self) -> str:
        """The model's name in tables, such as "random_walk"."""

    def fit(self: AnyModel, prices: PriceTable) -> AnyModel:
        """Learn from every row of `prices`; returns self."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Forecasts that are asked for at once: `paths` paths of `horizon` steps from each cutoff, ascending.

    Without `extremes` no highs and lows of the simulated days are asked for.
    """

    cutoffs: Sequence[np.datetime64]
    horizon: int
    paths: int
    seeds: Sequence[int]  # one for each cutoff
    extremes: bool = True

    def at(self, places: Sequence[int]) -> Request:
        """Of its cutoffs those at these places."""
        return replace(
            self, cutoffs=[self.cutoffs[place] for place in places], seeds=[self.seeds[place] for place in places]
        )

    def blocks(self, items: int) -> Iterator[Request]:
        """Neighbouring cutoffs together, as many as memory has room for with so many items."""
        block = max(_DAYS_AT_ONCE // (items * self.paths * self.horizon), 1)
        for first in range(0, len(self.cutoffs), block):
            yield self.at(range(first, min(first + block, len(self.cutoffs))))


@runtime_checkable
class PredictsAt(Protocol):
    """A model that forecasts from many days of one table in little more time than from one."""

    def predict_at(self, prices: PriceTable, request: Request) -> Iterable[Forecast]:
        """What `predict(prices.until(cutoff), ...)` says for each cutoff of the request with its seed."""


Forecasting = Predictor | PredictsAt


def forecasts_at(
    model: Forecasting,
    prices: PriceTable,
    cutoffs: Sequence[np.datetime64],
    horizon: int,
    *,
    paths: int,
    seeds: Sequence[int],
    extremes: bool = True,
) -> Iterator[Forecast]:
    """The forecast from each cutoff, which sees the rows at or before it alone; together where the model can.

    Without `extremes` no highs and lows are needed.
    """
    if isinstance(model, PredictsAt):
        request = Request(cutoffs=cutoffs, horizon=horizon, paths=paths, seeds=seeds, extremes=extremes)
        yield from model.predict_at(prices, request)
        return
    for cutoff, seed in zip(cutoffs, seeds, strict=True):
        yield model.predict(prices.until(cutoff), horizon, paths=paths, seed=seed)
