"""The model protocol: what the judge asks of a model, whether a network, a moving average or a user's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from gatecast.forecast import Forecast
from gatecast.prices import PriceTable

_PATHS_AT_ONCE = 40_000  # of all items and cutoffs in a block; bounds memory

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


@runtime_checkable
class PredictsAt(Protocol):
    """A model that forecasts from many days of one table in little more time than from one."""

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
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
    """The forecast from each cutoff, which sees the rows at or before it alone; in blocks where the model can.

    Without `extremes` no highs and lows are needed.
    """
    block = max(_PATHS_AT_ONCE // (len(prices) * paths), 1)
    for first in range(0, len(cutoffs), block):
        here, with_seeds = cutoffs[first : first + block], seeds[first : first + block]
        if isinstance(model, PredictsAt):
            request = Request(cutoffs=here, horizon=horizon, paths=paths, seeds=with_seeds, extremes=extremes)
            yield from model.predict_at(prices, request)
        else:
            for cutoff, seed in zip(here, with_seeds, strict=True):
                yield model.predict(prices.until(cutoff), horizon, paths=paths, seed=seed)
