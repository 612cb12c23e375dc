"""EWMA volatility with Student-t errors: GARCH's answer without an estimate of its dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gatecast.features.indicators import DECAY, WARMUP, last_volatility, volatility
from gatecast.models.baselines.contract import Baseline
from gatecast.models.baselines.noise import Draws, Simulation, StudentT, fit_student_t, path_density
from gatecast.prices import PriceSeries


@dataclass(kw_only=True, eq=False)
class EwmaT(Baseline[StudentT]):
    """No drift; the variance is the exponential average of squared returns (RiskMetrics 1996, decay 0.94).

    The errors are Student-t, fitted to the returns over the volatility before them.
    """

    name: ClassVar[str] = "ewma_t"
    min_rows: ClassVar[int] = 60  # twenty warm the average, forty shape the errors

    def _learn(self, series: PriceSeries) -> StudentT:
        returns = np.diff(np.log(series.close))
        return fit_student_t((returns / volatility(series.close)[:-1])[WARMUP:])

    def _simulate(self, series: PriceSeries, learned: StudentT, draws: Draws) -> Simulation:
        shocks = draws.student_t(learned)
        sigma = np.empty_like(shocks)
        variance = np.full(draws.paths, last_volatility(series.close) ** 2)
        for step in range(draws.horizon):
            sigma[:, step] = np.sqrt(variance)
            variance = DECAY * variance + (1 - DECAY) * (sigma[:, step] * shocks[:, step]) ** 2
        ends = np.cumsum(sigma * shocks, axis=1)
        return Simulation(ends, path_density(ends - sigma * shocks, sigma, learned))
