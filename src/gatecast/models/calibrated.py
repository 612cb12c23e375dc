"""Any model with a calibrator on top: its bands follow what its past bands have covered."""

from __future__ import annotations

import copy

import numpy as np

from gatecast.calibration.bands import HORIZON, Calibrator
from gatecast.calibration.online import EVERY, LEAST_BEFORE, TAIL, OnlineCalibration, tail_of, timestamps
from gatecast.errors import TooFewRows, UsageError
from gatecast.forecast import Forecast
from gatecast.model import Model
from gatecast.notes import Note
from gatecast.prices import PriceTable, check_prices


class Calibrated:
    """A model whose bands are stretched by what its own past bands have covered (`calibration.bands.Calibrator`).

    `fit` learns the inner model on the rows before a tail (`tail` sessions, a third of the history at most),
    walks it over the tail, an origin every `every` sessions, and then learns it again on all rows; the stretch
    is taken to hold for both. `predict` goes on walking over the later rows, so that what it says
    depends on the rows alone and not on earlier calls. Beyond `horizon` the last step's stretch falls.

    >>> import pandas as pd
    >>> from gatecast import Drift
    >>> days = pd.bdate_range("2020-01-01", periods=300)
    >>> walk = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, 300).cumsum())
    >>> table = PriceTable.from_close({"X": (walk, days)})
    >>> model = Calibrated(Drift(), horizon=2).fit(table)
    >>> model.name, model.predict(table, 3, paths=50).n_paths
    ('calibrated:drift', 50)
    """

    def __init__(
        self,
        model: Model,
        *,
        horizon: int = HORIZON,
        every: int = EVERY,
        tail: int = TAIL,
        paths: int = 400,  # of each walked forecast; the 98% band needs a few beyond it
        name: str | None = None,
    ) -> None:
        if min(horizon, every) < 1 or tail < every or paths < 100:
            raise UsageError(
                "horizon and every are at least 1, tail at least every, paths at least 100; "
                f"got {horizon}, {every}, {tail} and {paths}."
            )
        self.model = model
        self.horizon = horizon
        self.every = every
        self.tail = tail
        self.paths = paths
        self.name = name or f"calibrated:{model.name}"

    def fit(self, prices: PriceTable) -> Calibrated:
        """Learn the model and its stretch from these rows alone; returns self."""
        check_prices(prices)
        calendar = timestamps(prices)
        self.notes_: tuple[Note, ...] = ()
        try:
            learned = self._learn(prices, calendar)
        except TooFewRows as reason:
            learned = Calibrator.fresh(self.horizon)
            self.notes_ = (Note("uncalibrated", f"{self.name} starts without calibration: {reason}"),)
        self.model_ = copy.deepcopy(self.model).fit(prices)
        self.online_ = OnlineCalibration(learned, calendar[-1], prices.item_ids, every=self.every, paths=self.paths)
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The inner model's paths, stretched by all that is known at the last row of `prices`."""
        if not hasattr(self, "model_"):
            raise UsageError(f"a model predicts after it is fitted; '{self.name}' is not. Call fit(prices) first.")
        check_prices(prices)
        raw = self.model_.predict(prices, horizon, paths=paths, seed=seed)
        return self.calibrator(prices).apply(raw).noted(*self.notes_)

    def calibrator(self, prices: PriceTable) -> Calibrator:
        """What is known at the last row of `prices`, rows since `fit` included."""
        return self.online_.at(self.model_, prices, [timestamps(prices)[-1]])[0]

    def _learn(self, prices: PriceTable, calendar: np.ndarray) -> Calibrator:
        tail = min(self.tail, len(calendar) // 3)
        origins = tail_of(calendar, tail, self.every)
        if not len(origins):
            raise TooFewRows(f"{len(calendar)} rows are too few to look back on. Give more history.")
        before = prices.until(origins[0])
        long = tuple(series.item_id for series in before if len(series) >= LEAST_BEFORE)
        if not long:
            raise TooFewRows(f"no item has {LEAST_BEFORE} rows before the last {tail}. Give more history.")
        model = copy.deepcopy(self.model).fit(before.select(long))
        return Calibrator.fresh(self.horizon).learn(model, prices.select(long), list(origins), paths=self.paths)
