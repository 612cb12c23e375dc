"""Historical simulation: the days to come are drawn from the last 500, as most banks find their value at risk."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gatecast.errors import ConfigError, briefly
from gatecast.models.baselines.contract import Baseline, Unfit
from gatecast.models.baselines.noise import Draws, Simulation, cumulated_before, fit_student_t, path_density
from gatecast.prices import PriceSeries

SPAN = 500  # returns, two years of sessions; Hendricks (1996) compares 125 to 1,250
LEAST_SPAN, LONGEST = 20, 100_000


@dataclass(kw_only=True, eq=False)
class Historical(Baseline[int]):
    """Plain historical simulation: each step of a path is one of the last `span` log returns, drawn with replacement.

    The returns keep their mean and asymmetry, and all of them are equally likely, however wild yesterday was
    (Hendricks 1996; Perignon and Smith 2010 on its use). The density is a Student-t fitted to the same returns about
    their mean, put about each path's place.
    """

    span: int = SPAN  # returns that are drawn from
    name: ClassVar[str] = "historical"
    min_rows: ClassVar[int] = 60  # the worst of fewer returns says little of a tail

    def __post_init__(self) -> None:
        if not isinstance(self.span, numbers.Integral) or not LEAST_SPAN <= self.span <= LONGEST:
            got = briefly(self.span)
            raise ConfigError(f"a span is {LEAST_SPAN} to {LONGEST} returns; got {got}. Give for example {SPAN}.")

    def _learn(self, series: PriceSeries) -> int:
        return self.span

    def _simulate(self, series: PriceSeries, learned: int, draws: Draws) -> Simulation:
        if len(series) < self.min_rows:
            raise Unfit(f"it draws from {self.min_rows} rows or more, and there are fewer")
        past = np.diff(np.log(series.close[-learned - 1 :]))
        mean = float(past.mean())
        returns = past[draws.rng.integers(len(past), size=(draws.paths, draws.horizon))]
        centre = cumulated_before(returns) + mean
        density = path_density(centre, 1.0, fit_student_t(past - mean))
        return Simulation(np.cumsum(returns, axis=1), density)
