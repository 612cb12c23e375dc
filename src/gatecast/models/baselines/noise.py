"""The noise of simulated paths: bootstrapped or Student-t errors in mirrored pairs, and their densities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import digamma, ndtr, ndtri, stdtrit

from gatecast.features.contract import FLOOR
from gatecast.forecast import Density, student_t_log_pdf

_NORMAL = np.linspace(-8.0, 8.0, 4097)  # deviations; past them lies a millionth of a billionth
DF_BOUNDS = (2.05, 200.0)  # under 2 the variance is infinite; at 200 a Student-t is a normal to three digits


@dataclass(frozen=True)
class StudentT:
    """A Student-t around zero: `scale` in the errors' units, `df` degrees of freedom (inf: a normal)."""

    scale: float
    df: float

    def at(self, level: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The errors below which these shares lie, each between 0 and 1.

        Those of many are read off a table, a hundred-thousandth off: by quantiles of the normal distribution they are
        nearly straight lines.
        """
        df = min(self.df, 1e6)
        if level.size <= len(_NORMAL):
            return np.asarray(self.scale * stdtrit(df, level))
        return np.asarray(self.scale * np.sinh(np.interp(ndtri(level), _NORMAL, _table(df))))


@lru_cache(maxsize=512)
def _table(df: float) -> Float[np.ndarray, " normal"]:
    """The inverse hyperbolic sine of the quantiles of a Student-t where those of a normal are _NORMAL."""
    return np.asarray(np.arcsinh(stdtrit(df, ndtr(_NORMAL))))


@dataclass(frozen=True, eq=False)
class Simulation:
    """Log returns from the last close, (paths, horizon), and their density where the model has one."""

    log_returns: Float[np.ndarray, "paths horizon"]
    density: Density | None = None


def fit_student_t(errors: Float[np.ndarray, " time"]) -> StudentT:
    """The Student-t around zero of greatest likelihood; errors that never leave zero get the floor's normal.

    >>> fit_student_t(np.random.default_rng(0).standard_t(4, 20_000) * 0.01).df.__round__()
    4
    """
    size = float(np.sqrt(np.mean(np.square(errors))))
    if size < FLOOR:
        return StudentT(FLOOR, np.inf)
    squares = np.square(errors / size)

    def cost(parameters: Float[np.ndarray, " 2"]) -> tuple[float, Float[np.ndarray, " 2"]]:
        """Mean negative log-likelihood, and its gradient by the logs of scale and df."""
        scale, df = np.exp(parameters)
        z2 = squares / scale**2
        log_mean, share = np.log1p(z2 / df).mean(), (z2 / (df + z2)).mean()
        by_df = log_mean - (df + 1) / df * share - digamma((df + 1) / 2) + digamma(df / 2) + 1 / df
        return np.log(scale) - student_t_log_pdf(z2, df).mean(), np.array([1 - (df + 1) * share, df / 2 * by_df])

    # Errors mostly zero (a pegged price) would send the scale to zero: a twentieth of the size ends it.
    bounds = [(np.log(0.05), np.log(1.5)), tuple(np.log(DF_BOUNDS))]
    best = minimize(cost, np.log([0.8, 5.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    scale, df = np.exp(best.x)
    return StudentT(max(float(scale) * size, FLOOR), float(df))


@dataclass(frozen=True)
class Draws:
    """What an item's paths are drawn with: how many steps and paths, and a random stream of their own.

    Every draw is mirrored: the median is then the model's own centre, free of sampling noise.
    """

    horizon: int
    paths: int
    rng: np.random.Generator

    @property
    def half(self) -> int:
        """How many draws `mirrored` needs."""
        return (self.paths + 1) // 2

    def mirrored(self, half: Float[np.ndarray, "half ..."]) -> Float[np.ndarray, "paths ..."]:
        """Draws and their negatives."""
        return np.concatenate([half, -half])[: self.paths]

    def bootstrap(self, errors: Float[np.ndarray, " time"]) -> Float[np.ndarray, "paths horizon"]:
        """Past errors with replacement, each step on its own."""
        return self.mirrored(errors[self.rng.integers(len(errors), size=(self.half, self.horizon))])

    def student_t(self, student: StudentT) -> Float[np.ndarray, "paths horizon"]:
        """Student-t errors (normal where df is inf)."""
        shape, normal = (self.half, self.horizon), np.isinf(student.df)
        draws = self.rng.standard_normal(shape) if normal else self.rng.standard_t(student.df, shape)
        return student.scale * self.mirrored(draws)


def noise_of(log_returns: Float[np.ndarray, "paths horizon"]) -> Float[np.ndarray, " horizon"]:
    """`ItemForecast.noise` of mirrored paths, by step: 1 less what the mirrored pairs add to the mean distance of two.

    A path and its mirror lie farther apart than two independent ones, so that the fair CRPS of all pairs would take off
    too much, by 0.4 / paths of itself for a normal. With this noise it is that of the other pairs, and unbiased: by the
    mean distance g of those, D - g / 2 = D - S / (P (P - 1)) (1 - (1 - noise) / P), with S the sum over all pairs.
    """
    count = len(log_returns)
    half = (count + 1) // 2
    pairs = count * (count - 1) / 2
    mirrored = np.abs(log_returns[half:] - log_returns[: count - half]).sum(axis=0)
    total = (2.0 * np.arange(1, count + 1) - count - 1) @ np.sort(log_returns, axis=0)
    if pairs == count - half:  # two paths alone: they are the distribution
        return np.zeros(log_returns.shape[1])
    distance = (total - mirrored) / (pairs - (count - half))
    usual = np.where(total > 0, total, 1.0) / pairs
    return np.asarray(np.where(total > 0, 1 - count * (1 - distance / usual), 1.0))


def path_density(
    centre: Float[np.ndarray, "paths horizon"], sigma: Float[np.ndarray, "paths horizon"] | float, student: StudentT
) -> Density:
    """Each path's one-step density: around `centre`, errors of `student` times `sigma`."""
    scale = np.maximum(np.broadcast_to(sigma * student.scale, centre.shape), FLOOR)
    return Density(loc=centre, scale=scale, df=np.broadcast_to(student.df, centre.shape))


def cumulated_before(log_returns: Float[np.ndarray, "paths horizon"]) -> Float[np.ndarray, "paths horizon"]:
    """Where each path stands before each step: the cumulative log return of the steps before."""
    return np.hstack([np.zeros((len(log_returns), 1)), np.cumsum(log_returns, axis=1)[:, :-1]])
