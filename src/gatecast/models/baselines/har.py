"""Log-HAR: tomorrow's variance from the last day's, week's and month's, in logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from gatecast.features.contract import FLOOR
from gatecast.features.indicators import log_range
from gatecast.models.baselines.contract import Baseline, Unfit
from gatecast.models.baselines.noise import Draws, Simulation, StudentT, cumulated_before, fit_student_t, path_density
from gatecast.prices import PriceSeries

WEEK, MONTH = 5, 22  # rows; Corsi (2009)
_QUIET = 0.01  # of the mean variance: the least a day counts, so that a still day's log is finite


@dataclass(frozen=True, kw_only=True, eq=False)
class HarParameters:
    """Coefficients (constant, day, week, month), the errors of log variance, and of the returns over it."""

    ranged: bool  # variances are from highs and lows; else squared returns
    floor: float  # least variance of a day
    coefficients: Float[np.ndarray, " 4"]
    surprises: Float[np.ndarray, " time"]  # log variance less its forecast
    ranks: Int[np.ndarray, " time"]  # of the same rows' returns over their forecast volatility, 0 the lowest
    student: StudentT  # of those returns: its scale makes up for what the range misses, such as the night

    def paths(
        self,
        past: Float[np.ndarray, "paths month"],
        surprises: Float[np.ndarray, "paths horizon"],
        shocks: Float[np.ndarray, "paths horizon"],
    ) -> tuple[Float[np.ndarray, "paths horizon"], Float[np.ndarray, "paths horizon"]]:
        """Log returns of each step and their volatilities, after the variances `past` of a month of rows."""
        variances, sigma = np.vstack([past.T, np.empty(shocks.T.shape)]), np.empty(shocks.T.shape)
        constant, by_day, by_week, by_month = self.coefficients
        for step, (surprise, shock) in enumerate(zip(surprises.T, shocks.T, strict=True)):
            # A sum of its own for each path: by a matrix product its last bit would depend on the paths beside it.
            day, week, month = _means(variances[step : step + MONTH])
            forecast = constant + by_day * np.log(day) + by_week * np.log(week) + by_month * np.log(month)
            sigma[step] = np.exp(forecast / 2)
            after = np.exp(forecast + surprise) if self.ranged else np.square(sigma[step] * shock)
            variances[MONTH + step] = np.maximum(after, self.floor)
        return sigma.T * shocks, sigma.T


@dataclass(kw_only=True, eq=False)
class Har(Baseline[HarParameters]):
    """HAR on the log of Parkinson's (1980) range variance; on squared returns where no highs and lows are.

    A path's return is Student-t around zero, with the forecast volatility; the surprise in the day's range
    comes from the past day whose return ranked alike, so that a large fall brings a wide range with it.
    """

    name: ClassVar[str] = "har"
    min_rows: ClassVar[int] = 100  # a month to start from, and some eighty days to regress on

    def _learn(self, series: PriceSeries) -> HarParameters:
        returns = np.diff(np.log(series.close))
        raw = variances_of(series, series.has_range)
        floor = _QUIET * float(raw.mean())
        if floor < FLOOR**2:
            raise Unfit("its price hardly moves")
        variances = np.maximum(raw, floor)
        means = _means(sliding_window_view(variances, MONTH)[:-1].T)
        design, target = np.stack([np.ones_like(means[0]), *np.log(means)], axis=1), np.log(variances[MONTH:])
        coefficients = np.linalg.lstsq(design, target, rcond=None)[0]
        if coefficients[1:].sum() >= 1:
            raise Unfit("its variance explodes (a persistence of 1 or more)")
        forecast = design @ coefficients
        relative = returns[MONTH:] / np.exp(forecast / 2)
        return HarParameters(
            ranged=series.has_range,
            floor=floor,
            coefficients=coefficients,
            surprises=target - forecast,
            ranks=np.argsort(np.argsort(relative, kind="stable"), kind="stable"),
            student=fit_student_t(relative),
        )

    def _simulate(self, series: PriceSeries, learned: HarParameters, draws: Draws) -> Simulation:
        if learned.ranged and not series.has_range:
            raise Unfit("it learned from highs and lows that these rows lack")
        past = np.maximum(variances_of(series, learned.ranged)[-MONTH:], learned.floor)
        if len(past) < MONTH:
            raise Unfit(f"it looks back on {MONTH + 1} rows, and there are fewer")
        shape = (draws.paths, draws.horizon)
        picked = draws.rng.integers(len(learned.ranks), size=shape)
        level = (learned.ranks[picked] + draws.rng.uniform(0, 1, shape)) / len(learned.ranks)
        shocks = learned.student.at(np.clip(level, 1e-12, 1 - 1e-12))
        returns, sigma = learned.paths(np.tile(past, (draws.paths, 1)), learned.surprises[picked], shocks)
        return Simulation(np.cumsum(returns, axis=1), path_density(cumulated_before(returns), sigma, learned.student))


def _means(variances: Float[np.ndarray, "month row"]) -> Float[np.ndarray, "3 row"]:
    """The mean variance of the last day, week and month; Corsi (2009)."""
    return np.stack([variances[-1], variances[-WEEK:].mean(axis=0), variances.mean(axis=0)])


def variances_of(series: PriceSeries, ranged: bool) -> Float[np.ndarray, " returns"]:
    """A variance for each row but the first, so that it stands beside the row's log return."""
    if ranged:
        return np.asarray(np.exp(2 * log_range(series)[1:]))
    return np.asarray(np.square(np.diff(np.log(series.close))))
