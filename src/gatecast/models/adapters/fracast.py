"""Fracast-0, a small network that comes trained on many series of all kinds, with its weights in its package."""

from __future__ import annotations

import numpy as np

from gatecast.forecast import Forecast
from gatecast.models.foreign.quantiles import forecast_from
from gatecast.notes import Note
from gatecast.prices import PriceTable

_SEEN = Note(
    "model", "it comes trained on public series, which may hold the days it is judged on: it may look better than it is"
)


class Fracast:
    """`fracast.FracastModel` with the weights in its package, on the closes of each item; nothing is learned here.

    Its quantiles, 0.1 to 0.9, are sorted where they cross (Chernozhukov, Fernandez-Val and Galichon 2010).
    """

    def __init__(self) -> None:
        from fracast import FracastModel

        self._model = FracastModel.from_pretrained(device="cpu")

    def fit(self, prices: PriceTable) -> Fracast:
        """Nothing is learned; returns self."""
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The network's quantiles for each item, as paths."""
        answers = {}
        for series in prices:
            values = np.sort(self._model.forecast(series.close.astype(np.float32), horizon=horizon), axis=1)  # (H, Q)
            answers[series.item_id] = dict(zip(self._model.quantiles, values.T, strict=True))
        return forecast_from(prices, horizon, answers, paths=paths, seed=seed, notes=(_SEEN,))
