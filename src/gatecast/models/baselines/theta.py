"""The theta method on log price: exponential smoothing with half the slope of a time trend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from gatecast.models.baselines.contract import Baseline, Unfit, typical_return
from gatecast.models.baselines.noise import Draws, Simulation, StudentT, fit_student_t, path_density
from gatecast.models.baselines.recursion import recursive
from gatecast.prices import PriceSeries

_FIRST_ERRORS = 10  # rows whose errors are left out: the level still depends on where it started


@dataclass(frozen=True, kw_only=True, eq=False)
class ThetaParameters:
    """Smoothing `alpha`, trend slope `b0` per row of log price, and the one-step errors."""

    alpha: float
    b0: float
    errors: Float[np.ndarray, " time"]
    student: StudentT


@dataclass(kw_only=True, eq=False)
class Theta(Baseline[ThetaParameters]):
    """Theta = 2 (Assimakopoulos and Nikolopoulos 2000), parameters by statsmodels; no season.

    Paths iterate the one-step forecast with past one-step errors, so that their median is the method's
    forecast. The density is a Student-t fitted to those errors.
    """

    name: ClassVar[str] = "theta"

    def _learn(self, series: PriceSeries) -> ThetaParameters:
        from statsmodels.tsa.forecasting.theta import ThetaModel

        levels = np.log(series.close / series.close[0])
        unit = typical_return(np.diff(levels))
        b0, alpha = ThetaModel(levels / unit, period=1, deseasonalize=False).fit().params.to_numpy()
        if not (np.isfinite(b0) and 0 < alpha <= 1):
            raise Unfit("its smoothing parameter is not between 0 and 1")
        slope = float(b0) * unit
        forecast = _smooth(levels, alpha)[:-1] + _drift(alpha, slope, np.arange(1.0, len(levels)))
        errors = (levels[1:] - forecast)[_FIRST_ERRORS:]
        return ThetaParameters(alpha=float(alpha), b0=slope, errors=errors, student=fit_student_t(errors))

    def _simulate(self, series: PriceSeries, learned: ThetaParameters, draws: Draws) -> Simulation:
        past = np.log(series.close / series.close[0])
        level = np.full(draws.paths, _smooth(past, learned.alpha)[-1] - past[-1])  # from the last close
        errors = draws.bootstrap(learned.errors)
        centre = np.empty_like(errors)
        for step in range(draws.horizon):
            centre[:, step] = level + _drift(learned.alpha, learned.b0, len(series) + step)
            level = level + learned.alpha * (centre[:, step] + errors[:, step] - level)
        return Simulation(centre + errors, path_density(centre, 1.0, learned.student))


def _drift(alpha: float, b0: float, rows: Float[np.ndarray, " time"] | int) -> Float[np.ndarray, " time"] | float:
    """What a one-step forecast adds to the level after so many rows; Hyndman and Billah (2003)."""
    return b0 / 2 * (1 - (1 - alpha) ** rows) / alpha


def _smooth(values: Float[np.ndarray, " time"], alpha: float) -> Float[np.ndarray, " time"]:
    """The exponentially smoothed level after each row, started at the first value."""
    return recursive(alpha * values, 1 - alpha, values[0])
