"""A number read off simulated paths, with its sampling error: what another draw of as many paths would change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import betainc


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """Values and their standard errors, of equal shape: none for a single number, (horizon,) for one a step.

    The error is that of simulating finitely many paths; whether the model is right, the verdict says.
    """

    value: Float[np.ndarray, "*shape"]
    error: Float[np.ndarray, "*shape"]

    def __getitem__(self, at: int) -> Estimate:
        """The estimate of one step, counted from 0."""
        return Estimate(value=np.asarray(self.value[at]), error=np.asarray(self.error[at]))

    def to_dict(self) -> dict[str, float]:
        """`{"value": ..., "error": ...}` of a single number."""
        return {"value": float(self.value), "error": float(self.error)}

    def to_rows(self) -> list[dict[str, float]]:
        """`to_dict` of each step."""
        pairs = zip(self.value.tolist(), self.error.tolist(), strict=True)
        return [{"value": value, "error": error} for value, error in pairs]


def chance(happens: Bool[np.ndarray, " paths *shape"]) -> Estimate:
    """The share of paths in which something happens; 0..1.

    Its error is half the width of Wilson's interval at one standard deviation (Wilson 1927), which is not zero where no
    path, or every path, is counted.

    >>> chance(np.array([True] * 50 + [False] * 50)).to_dict()["error"].__round__(4)
    0.0498
    """
    n = len(happens)
    share = np.asarray(happens.mean(axis=0))
    return Estimate(value=share, error=np.asarray(np.sqrt(share * (1 - share) / n + 1 / (4 * n * n)) / (1 + 1 / n)))


def mean(values: Float[np.ndarray, " paths *shape"]) -> Estimate:
    """The mean over paths and its error, the standard deviation over the root of their number; unit of the values."""
    n = len(values)
    deviation = values.std(axis=0, ddof=1) if n > 1 else np.zeros(values.shape[1:])
    return Estimate(value=np.asarray(values.mean(axis=0)), error=np.asarray(deviation / math.sqrt(n)))


def quantile_sorted(ordered: Float[np.ndarray, " paths *shape"], q: float) -> Estimate:
    """The q-quantile (linear interpolation) of values in ascending order along axis 0; unit of the values.

    Its error is the standard deviation of the order statistic under resampling, in closed form (Maritz and Jarrett
    1978), with the weights of Harrell and Davis (1982), which hold for any q.
    """
    n = len(ordered)
    place = (n - 1) * q
    low = math.floor(place)
    high = min(low + 1, n - 1)
    value = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    weights = np.diff(betainc((n + 1) * q, (n + 1) * (1 - q), np.linspace(0, 1, n + 1)))
    spread = ordered - value  # moments about the quantile: nothing large cancels
    first, second = np.tensordot(weights, spread, 1), np.tensordot(weights, spread * spread, 1)
    return Estimate(value=np.asarray(value), error=np.asarray(np.sqrt(np.maximum(second - first * first, 0.0))))


def quantile(values: Float[np.ndarray, " paths *shape"], q: float) -> Estimate:
    """`quantile_sorted` of values in any order."""
    return quantile_sorted(np.sort(values, axis=0), q)
