"""The random walk, with and without drift: what every claim of skill is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gatecast.models.baselines.contract import LEAST_ROWS, Baseline, Walk
from gatecast.models.baselines.noise import Draws, Simulation
from gatecast.prices import PriceSeries


@dataclass(kw_only=True, eq=False)
class RandomWalk(Baseline[Walk]):
    """Tomorrow's price is today's, plus a past log return drawn at random with a random sign.

    The median is the last close at every step. The density is a Student-t fitted to all past log returns
    about zero, put about each path's place.

    >>> import numpy as np
    >>> from gatecast.prices import PriceTable
    >>> days = np.arange(40).astype("datetime64[D]")
    >>> table = PriceTable.from_close({"X": (100 + np.arange(40) % 3, days)})
    >>> forecast = RandomWalk().fit(table).predict(table, horizon=2, paths=100)
    >>> forecast["X"].median.round(2).tolist()
    [100.0, 100.0]
    """

    name: ClassVar[str] = "random_walk"
    min_rows: ClassVar[int] = LEAST_ROWS

    def _learn(self, series: PriceSeries) -> Walk:
        return Walk.learn(series)

    def _simulate(self, series: PriceSeries, learned: Walk, draws: Draws) -> Simulation:
        return learned.simulate(draws)


@dataclass(kw_only=True, eq=False)
class Drift(RandomWalk):
    """A random walk that drifts by its past mean log return; errors are drawn about that mean."""

    name: ClassVar[str] = "drift"

    def _learn(self, series: PriceSeries) -> Walk:
        return Walk.learn(series, drift=True)
