"""Models of Nixtla's statsforecast, on log closes: `statsforecast:AutoETS`, `AutoARIMA`, `AutoTheta` and the like."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from jaxtyping import Float

from gatecast.errors import ForeignError
from gatecast.forecast import BANDS, Forecast
from gatecast.models.foreign.quantiles import POINT, forecast_from
from gatecast.prices import PriceTable
from gatecast.text import shown

_LEVELS = [*BANDS, 98]  # percent of the central bands that are asked for


class StatsForecast:
    """A class of `statsforecast.models` with its defaults, without a season; learned anew from the rows of each
    forecast. Its intervals are of the log close; the middle is its mean, which is the median of the price.
    """

    def __init__(self, model: str) -> None:
        from statsforecast import models

        kind = getattr(models, model, None)
        if not isinstance(kind, type):
            raise ForeignError(f"statsforecast has no model {shown(model)}. Give for example statsforecast:AutoETS.")
        needs = inspect.signature(kind).parameters
        season = needs.get("season_length")
        required = season is not None and season.default is inspect.Parameter.empty
        self._model: Any = kind(season_length=1) if required else kind()

    def fit(self, prices: PriceTable) -> StatsForecast:
        """Nothing is learned before the forecast; returns self."""
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The library's intervals for each item, as paths; a point where the model has no intervals."""
        answers = {series.item_id: self._quantiles(np.log(series.close), horizon) for series in prices}
        return forecast_from(prices, horizon, answers, paths=paths, seed=seed)

    def _quantiles(self, logs: Float[np.ndarray, " time"], horizon: int) -> dict[float, np.ndarray]:
        try:
            found = self._model.forecast(y=logs, h=horizon, level=_LEVELS)
        except Exception as error:
            if "prediction_intervals" not in str(error):  # which a model without intervals of its own asks for
                raise
            found = self._model.forecast(y=logs, h=horizon)
        quantiles = {POINT: np.exp(found["mean"])}
        for level in _LEVELS:
            for side, q in (("lo", 0.5 - level / 200), ("hi", 0.5 + level / 200)):
                if f"{side}-{level}" in found:
                    quantiles[round(q, 4)] = np.exp(found[f"{side}-{level}"])
        return quantiles
