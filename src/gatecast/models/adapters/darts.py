"""Local models of darts, on log closes: `darts:ExponentialSmoothing`, `darts:Theta` and the like."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from gatecast.errors import ForeignError
from gatecast.forecast import QUANTILES, Forecast
from gatecast.models.foreign.quantiles import forecast_from
from gatecast.prices import PriceTable
from gatecast.text import shown


class Darts:
    """A class of `darts.models` with its defaults; learned anew from the rows of each forecast.

    Quantiles are those of as many samples as paths where the model draws samples, else it gives a point.
    """

    def __init__(self, model: str) -> None:
        import darts.models

        self._kind: Any = getattr(darts.models, model, None)
        if not isinstance(self._kind, type):
            raise ForeignError(f"darts has no model {shown(model)}. Give for example darts:ExponentialSmoothing.")

    def fit(self, prices: PriceTable) -> Darts:
        """Nothing is learned before the forecast; returns self."""
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Quantiles of the library's samples for each item, as paths."""
        answers = {series.item_id: self._quantiles(np.log(series.close), horizon, paths, seed) for series in prices}
        return forecast_from(prices, horizon, answers, paths=paths, seed=seed)

    def _quantiles(
        self, logs: Float[np.ndarray, " time"], horizon: int, paths: int, seed: int
    ) -> dict[float, np.ndarray] | np.ndarray:
        from darts import TimeSeries

        model = self._kind()
        model.fit(TimeSeries.from_values(logs))
        if not model.supports_probabilistic_prediction:
            return np.asarray(np.exp(model.predict(horizon).values()[:, 0]))
        samples = model.predict(horizon, num_samples=paths, random_state=seed % 2**31).all_values()[:, 0]  # (H, P)
        return {q: np.exp(np.quantile(samples, q, axis=1)) for q in QUANTILES.values()}
