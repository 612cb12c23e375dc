"""A fast fit of GJR-GARCH(1,1) with Student-t errors: the likelihood and its gradient by linear recursions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import digamma

from gatecast.forecast import student_t_log_pdf
from gatecast.models.baselines.contract import Unfit, typical_return
from gatecast.models.baselines.garch import GarchParameters, backcast_of
from gatecast.models.baselines.recursion import recursive

_LEAST_DF, _MOST_LOG_DF = 2.05, 5.3  # under 2 the variance is infinite; exp(5.3) = 200 is a normal to three digits
# Daily returns in units of their deviation usually end near alpha .05, gamma .06, beta .89, omega .03 and 6 degrees.
_START = np.array([0.0, np.log(0.03), np.log(0.025 / 0.03), np.log(0.055 / 0.03), np.log(0.89 / 0.03), np.log(4.0)])
_BOUNDS = [(-1.0, 1.0), (-16.0, 1.0), (-9.0, 9.0), (-9.0, 9.0), (-9.0, 9.0), (-4.0, _MOST_LOG_DF)]


def fit_gjr(returns: Float[np.ndarray, " time"]) -> GarchParameters:
    """The parameters of greatest likelihood of daily log returns (Glosten, Jagannathan and Runkle 1993).

    They are those that `Garch` finds with arch, without the time that arch takes to import; its persistence stays
    below 1. Raises `Unfit` where the returns hardly vary or the search does not end.
    """
    unit = typical_return(returns)
    likelihood = _Likelihood(returns=returns / unit, backcast=backcast_of(returns / unit - returns.mean() / unit))
    best = minimize(likelihood.cost, _START, jac=True, method="L-BFGS-B", bounds=_BOUNDS, options={"ftol": 1e-8})
    if not np.isfinite(best.fun):
        raise Unfit("the likelihood's search did not end")
    return _parameters(best.x, unit)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Likelihood:
    """Of returns in units of their deviation. `backcast` stands for the squared error before the first."""

    returns: Float[np.ndarray, " time"]
    backcast: float

    def cost(self, searched: Float[np.ndarray, " 6"]) -> tuple[float, Float[np.ndarray, " 6"]]:
        """Mean negative log-likelihood and its gradient at what `_parameters` reads.

        The derivatives of the variance follow the variance's own recursion (Fiorentini, Calzolari and Panattoni 1996);
        their sum over all rows is worked out from the last row to the first, once for all parameters.
        """
        p, shares = _parameters(searched, 1.0), _shares(searched)
        errors = self.returns - p.mu
        squares, falls = np.square(errors), errors < 0
        rises2, falls2 = np.where(falls, 0.0, squares), np.where(falls, squares, 0.0)
        variance = p.filter(errors, self.backcast)[:-1]
        sources = np.empty((len(errors), 5))  # of omega, alpha, alpha + gamma, beta, mu
        sources[0] = [1.0, self.backcast / 2, self.backcast / 2, self.backcast, 0.0]
        sources[1:, 0], sources[1:, 1], sources[1:, 2], sources[1:, 3] = 1.0, rises2[:-1], falls2[:-1], variance[:-1]
        sources[1:, 4] = -2 * (np.where(falls, p.alpha + p.gamma, p.alpha) * errors)[:-1]
        freedom = p.df - 2  # the errors have variance 1
        relative = squares / variance
        # As the usual Student's t, scaled: its square is relative * df / (df - 2).
        log_pdf = student_t_log_pdf(relative * p.df / freedom, p.df) - 0.5 * np.log(variance * freedom / p.df)
        by_variance = ((p.df + 1) * relative / (freedom + relative) - 1) / (2 * variance)
        by_error = (p.df + 1) * errors / (variance * freedom + squares)
        by_df = (
            digamma((p.df + 1) / 2)
            - digamma(p.df / 2)
            - 1 / freedom
            - np.log1p(relative / freedom).mean()
            + (p.df + 1) / freedom * (relative / (freedom + relative)).mean()
        ) / 2
        of = recursive(by_variance[::-1], p.beta, 0.0)[::-1] @ sources / len(errors)
        by_share = np.array([2 * of[1], 2 * of[2], of[3], 0.0])
        by_logit = shares * (by_share - by_share @ shares)
        gradient = [by_error.mean() + of[4], of[0] * p.omega, *by_logit[:3], by_df * (p.df - _LEAST_DF)]
        return -float(log_pdf.mean()), -np.array(gradient)


def _parameters(searched: Float[np.ndarray, " 6"], unit: float) -> GarchParameters:
    """mu, log omega, three logits of the shares of persistence, and the log of df above its least."""
    by_rises, by_falls, beta, _ = _shares(searched)
    return GarchParameters(
        unit=unit,
        mu=float(searched[0]),
        omega=float(np.exp(searched[1])),
        alpha=float(2 * by_rises),
        gamma=float(2 * (by_falls - by_rises)),
        beta=float(beta),
        df=float(_LEAST_DF + np.exp(searched[5])),
    )


def _shares(searched: Float[np.ndarray, " 6"]) -> Float[np.ndarray, " 4"]:
    """alpha / 2, (alpha + gamma) / 2, beta, and what they lack to 1; all positive."""
    logits = np.append(searched[2:5], 0.0)
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())
