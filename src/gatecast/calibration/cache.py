"""Forecasts that a network has made before, so that calibration and verdict simulate a day once."""

from __future__ import annotations

from dataclasses import replace

from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.model import PredictsAt, Request
from gatecast.prices import PriceTable

FEW_ITEMS = 4  # of a table whose walked forecasts are kept
KEPT = 500  # walked forecasts of an item that are kept: some 30 MB


class CachedForecasts:
    """A network that keeps its forecasts: days that are walked over again are not simulated again.

    A verdict looks back over many of the days that the forecast's own calibration has looked back over. Tables of more
    than FEW_ITEMS are simulated each time: a verdict looks at a few items of them, by themselves.
    """

    def __init__(self, model: PredictsAt) -> None:
        self._model = model
        self._made: dict[tuple[str, int, int, bool], Forecast] = {}

    def predict_at(self, prices: PriceTable, request: Request) -> list[Forecast]:
        """The network's forecast from each cutoff; only those not made before, or not as far, are made."""
        if len(prices) > FEW_ITEMS:
            return self._model.predict_at(prices, request)
        asked = zip(request.cutoffs, request.seeds, strict=True)
        keys = [(prices.until(cutoff).data_hash(), request.paths, seed, request.extremes) for cutoff, seed in asked]
        made = {
            key: self._made[key] for key in keys if key in self._made and self._made[key].horizon >= request.horizon
        }
        left = [place for place, key in enumerate(keys) if key not in made]
        new = self._model.predict_at(prices, request.at(left))
        made |= {keys[place]: forecast for place, forecast in zip(left, new, strict=True)}
        self._made |= {key: made[key] for key in keys[: max(KEPT // len(prices) - len(self._made), 0)]}
        return [_first(made[key], request.horizon) for key in keys]


def _first(forecast: Forecast, steps: int) -> Forecast:
    """The first steps of a forecast."""
    if forecast.horizon == steps:
        return forecast
    return replace(forecast, items=tuple(_first_of(item, steps) for item in forecast))


def _first_of(item: ItemForecast, steps: int) -> ItemForecast:
    density = item.density
    if density is not None:
        density = Density(loc=density.loc[:, :steps], scale=density.scale[:, :steps], df=density.df[:, :steps])
    highs, lows = (None if extreme is None else extreme[:, :steps] for extreme in (item.highs, item.lows))
    return replace(
        item, timestamps=item.timestamps[:steps], paths=item.paths[:, :steps], density=density, highs=highs, lows=lows
    )
