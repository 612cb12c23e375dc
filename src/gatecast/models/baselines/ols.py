"""Linear regression of the return of each step ahead on the features the networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from gatecast.features.indicators import CLOSES, WARMUP, FeatureSpec, last_volatility, series_features, volatility
from gatecast.models.baselines.contract import Baseline, Unfit
from gatecast.models.baselines.direct import log_returns_ahead, simulate_direct
from gatecast.models.baselines.noise import Draws, Simulation
from gatecast.prices import PriceSeries

LEAST_ORIGINS = 60  # rows to regress nine numbers on


@dataclass(frozen=True, kw_only=True, eq=False)
class Regressors:
    """The fitted rows' regressors, log closes and volatilities: each horizon's coefficients follow."""

    spec: FeatureSpec
    design: Float[np.ndarray, "time regressor"]  # a constant and the features
    log_close: Float[np.ndarray, " time"]
    sigma: Float[np.ndarray, " time"]


@dataclass(kw_only=True, eq=False)
class Ols(Baseline[Regressors]):
    """Ordinary least squares (statsmodels) of the log return over h rows on a constant and eight features.

    One regression a step, made when a horizon is asked for, on the fitted rows alone: those from the 20th on
    whose outcome is among them. Bands are from its own residuals over trailing volatility.
    """

    name: ClassVar[str] = "ols"

    def _learn(self, series: PriceSeries) -> Regressors:
        spec = FeatureSpec.of([series])
        usable = slice(WARMUP - 1, None)
        return Regressors(
            spec=spec,
            design=_design(series, spec)[usable],
            log_close=np.log(series.close)[usable],
            sigma=volatility(series.close)[usable],
        )

    def _simulate(self, series: PriceSeries, learned: Regressors, draws: Draws) -> Simulation:
        from statsmodels.regression.linear_model import OLS

        if len(series) < WARMUP:
            raise Unfit(f"its features look back on {WARMUP} rows, and there are fewer")
        if FeatureSpec.of([series]) != learned.spec:
            raise Unfit("these rows have other columns than those it learned from")
        outcomes = log_returns_ahead(learned.log_close, draws.horizon)
        if len(outcomes) < LEAST_ORIGINS:
            raise Unfit(f"it needs {LEAST_ORIGINS} rows with an outcome {draws.horizon} steps on, and there are fewer")
        design = learned.design[: len(outcomes)]
        now = _design(series.rows(-CLOSES, len(series)), learned.spec)[-1]
        fits = [OLS(outcome, design).fit() for outcome in outcomes.T]
        centre = np.array([now @ fit.params for fit in fits])
        # Residuals are smaller than errors to come by the freedom that the coefficients took.
        freedom = np.sqrt(len(outcomes) / fits[0].df_resid)
        errors = np.stack([fit.resid for fit in fits], axis=1) * freedom / learned.sigma[: len(outcomes), None]
        return simulate_direct(centre, last_volatility(series.close), errors, draws)


def _design(series: PriceSeries, spec: FeatureSpec) -> Float[np.ndarray, "time regressor"]:
    return np.column_stack([np.ones(len(series)), series_features(series, spec)])
