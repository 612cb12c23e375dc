"""GARCH(1,1), with or without asymmetry: variance that clusters, filtered and simulated by one recursion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from gatecast.errors import ConfigError
from gatecast.models.baselines.contract import Baseline, Unfit, typical_return
from gatecast.models.baselines.noise import Draws, Simulation, StudentT, path_density
from gatecast.models.baselines.recursion import recursive
from gatecast.prices import PriceSeries

_BACKCAST = 75  # squared errors averaged for the variance before the first row, as arch does
_FAR = 1.0  # deviations a step; beyond it the optimiser has failed, for no price drifts so
_EXPLOSIVE = 1.0001  # persistence above this grows without end; at 1 it is integrated, which daily prices do reach


@dataclass(frozen=True, kw_only=True)
class GarchParameters:
    """r = mu + e; sigma2' = omega + (alpha + gamma [e < 0]) e^2 + beta sigma2. Returns in units of `unit`."""

    unit: float  # standard deviation of the fitted log returns: optimisers work best near 1
    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    df: float  # of the Student-t errors; inf: normal

    @property
    def persistence(self) -> float:
        """How much of a shock to the variance is left after a step, on average."""
        return self.alpha + self.gamma / 2 + self.beta

    @property
    def student(self) -> StudentT:
        """Its errors, of variance 1 as arch has them: the usual t shrunk by sqrt((df - 2) / df)."""
        return StudentT(1.0 if np.isinf(self.df) else float(np.sqrt((self.df - 2) / self.df)), self.df)

    def variances(self, series: PriceSeries) -> Float[np.ndarray, " rows"]:
        """The variance of the return after each row of a series, in squares of `unit`; the parameters stay."""
        return self.filter(np.diff(np.log(series.close)) / self.unit - self.mu)

    def next_variance(
        self, errors: Float[np.ndarray, "*shape"], variance: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """The variance one step on: Glosten, Jagannathan and Runkle (1993)."""
        return np.asarray(self.omega + (self.alpha + self.gamma * (errors < 0)) * errors**2 + self.beta * variance)

    def filter(self, errors: Float[np.ndarray, " time"], backcast: float | None = None) -> Float[np.ndarray, " later"]:
        """The variance of every row and of the next: (T + 1,). The first stands on a backcast, as in arch."""
        before = backcast_of(errors) if backcast is None else backcast
        start = self.omega + self.persistence * before
        shocks = self.next_variance(errors, np.zeros_like(errors))
        later = recursive(shocks, self.beta, start)
        return np.concatenate([[start], later])


@dataclass(kw_only=True, eq=False)
class Garch(Baseline[GarchParameters]):
    """GJR-GARCH(1,1) with a constant mean and Student-t errors, fitted by arch.

    `asymmetric=False` is plain GARCH (Bollerslev 1986); `errors="normal"` its first form. The density of a
    path's next step is its Student-t with scale sqrt(sigma2 (df - 2) / df).
    """

    asymmetric: bool = True  # falls raise the variance more than rises do, in stocks above all
    errors: str = "t"  # or "normal", which calls a 6-sigma day impossible
    name: ClassVar[str] = "garch"
    min_rows: ClassVar[int] = 100  # six parameters; the literature asks for some hundreds of rows

    def __post_init__(self) -> None:
        if self.errors not in ("t", "normal"):
            raise ConfigError(f"errors are 't' or 'normal'; got '{self.errors}'. Choose one of them.")

    def _learn(self, series: PriceSeries) -> GarchParameters:
        from arch import arch_model

        returns = np.diff(np.log(series.close))
        unit = typical_return(returns)
        # Else as arch has it: a constant mean, one lag of the errors and one of the variance.
        model = arch_model(
            returns / unit, o=int(self.asymmetric), dist="t" if self.errors == "t" else "normal", rescale=False
        )
        reason = ""
        for start in (None, self._usual()):  # from arch's own start some fits end in unusable parameters
            result = model.fit(disp="off", show_warning=False, starting_values=start)
            values = {str(key): float(value) for key, value in result.params.items()}
            parameters = GarchParameters(
                unit=unit,
                mu=values["mu"],
                omega=values["omega"],
                alpha=values["alpha[1]"],
                gamma=values.get("gamma[1]", 0.0),
                beta=values["beta[1]"],
                df=values.get("nu", np.inf),
            )
            reason = _unusable(parameters, int(result.convergence_flag))
            if not reason:
                return parameters
        raise Unfit(reason)

    def _usual(self) -> Float[np.ndarray, " parameter"]:
        """What fits of daily returns in units of their deviation usually end in, in arch's order."""
        asymmetry, tail = [0.06] if self.asymmetric else [], [6.0] if self.errors == "t" else []
        return np.array([0.0, 0.03, 0.05, *asymmetry, 0.9, *tail])

    def _simulate(self, series: PriceSeries, learned: GarchParameters, draws: Draws) -> Simulation:
        student = learned.student
        shocks = draws.student_t(student)
        variance = np.full(draws.paths, learned.variances(series)[-1])
        place = np.zeros(draws.paths)  # cumulative return, in units
        centre, sigma, ends = (np.empty_like(shocks) for _ in range(3))
        for step in range(draws.horizon):
            sigma[:, step] = np.sqrt(variance)
            centre[:, step] = place + learned.mu
            error = sigma[:, step] * shocks[:, step]
            place = centre[:, step] + error
            ends[:, step] = place
            variance = learned.next_variance(error, variance)
        return Simulation(ends * learned.unit, path_density(centre * learned.unit, sigma * learned.unit, student))


def backcast_of(errors: Float[np.ndarray, " time"]) -> float:
    """What stands for the squared error before the first row: an average of the first, which the earliest lead."""
    first = min(_BACKCAST, len(errors))
    weights = 0.94 ** np.arange(first)
    return float(np.square(errors[:first]) @ weights / weights.sum())


def _unusable(parameters: GarchParameters, flag: int) -> str:
    """Why these parameters cannot be used; empty where they can."""
    if flag != 0:
        return f"the likelihood's search did not converge (arch's flag {flag})"
    if not np.isfinite([parameters.mu, parameters.omega, parameters.persistence]).all():
        return "its parameters are not finite"
    if abs(parameters.mu) > _FAR:
        return f"its mean return is {parameters.mu:.3g} standard deviations a step"
    if parameters.persistence > _EXPLOSIVE:
        return "its variance explodes (a persistence of 1 or more)"
    return ""
