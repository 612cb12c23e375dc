"""Kalman filters on log price: a level, or a level with a slope, that wander and are observed with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from gatecast.features.contract import FLOOR
from gatecast.forecast import Density
from gatecast.models.baselines.contract import Baseline, Unfit, typical_return
from gatecast.models.baselines.noise import Draws, Simulation
from gatecast.prices import PriceSeries


@dataclass(frozen=True, eq=False)
class KalmanParameters:
    """Variances in the order of statsmodels' `UnobservedComponents`, of log prices in units of `unit`."""

    unit: float  # standard deviation of the fitted log returns
    variances: Float[np.ndarray, " component"]


@dataclass(kw_only=True, eq=False)
class Kalman(Baseline[KalmanParameters]):
    """Local level, or with `trend` local linear trend, on log price: Harvey (1989), sections 2.3.1 and 2.3.2.

    Fitted by statsmodels; predicting filters the new rows with the variances frozen. The density is the exact
    normal of the filter, a single component for all paths: its arrays are (1, horizon).
    """

    trend: bool = False  # a slope that wanders too; on prices it mostly chases noise
    name: ClassVar[str] = "kalman"

    def _model(self, series: PriceSeries, unit: float) -> Any:
        from statsmodels.tsa.statespace.structural import UnobservedComponents

        # From the first row, in units of a typical step: neither currency nor size reaches the optimiser.
        levels = np.log(series.close / series.close[0]) / unit
        return UnobservedComponents(levels, "local linear trend" if self.trend else "local level")

    def _learn(self, series: PriceSeries) -> KalmanParameters:
        unit = typical_return(np.diff(np.log(series.close)))
        result = self._model(series, unit).fit(disp=False, cov_type="none", maxiter=200)
        if not result.mle_retvals["converged"]:
            raise Unfit("the likelihood's search did not converge")
        return KalmanParameters(unit, np.asarray(result.params, dtype=np.float64))

    def _simulate(self, series: PriceSeries, learned: KalmanParameters, draws: Draws) -> Simulation:
        result = self._model(series, learned.unit).filter(learned.variances, cov_type="none")
        space = result.model.ssm
        transition, selection = space["transition"], space["selection"]
        step_cov = selection @ space["state_cov"] @ selection.T
        design, noise = space["design"][0], float(space["obs_cov"][0, 0])
        mean, cov = result.predicted_state[:, -1], result.predicted_state_cov[:, :, -1]
        half, rng, horizon = draws.half, draws.rng, draws.horizon
        # Deviations from the mean path are drawn; mirrored, they leave the median at the filter's forecast.
        deviation = rng.standard_normal((half, len(mean))) @ _root(cov).T
        root = _root(step_cov)
        ends, loc, variance = (np.empty(shape) for shape in ((draws.paths, horizon), horizon, horizon))
        start = np.log(series.close[-1] / series.close[0]) / learned.unit
        for step in range(horizon):
            loc[step] = design @ mean - start
            variance[step] = design @ cov @ design + noise
            drawn = deviation @ design + np.sqrt(noise) * rng.standard_normal(half)
            ends[:, step] = loc[step] + draws.mirrored(drawn)
            mean, cov = transition @ mean, transition @ cov @ transition.T + step_cov
            deviation = deviation @ transition.T + rng.standard_normal((half, len(mean))) @ root.T
        scale = np.maximum(np.sqrt(variance) * learned.unit, FLOOR)
        density = Density(loc=loc[None] * learned.unit, scale=scale[None], df=np.full((1, horizon), np.inf))
        return Simulation(ends * learned.unit, density)


def _root(cov: Float[np.ndarray, "state state"]) -> Float[np.ndarray, "state state"]:
    """A square root of a covariance that may be singular (a variance estimated at zero)."""
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
