"""Scores of risk answers: value at risk with expected shortfall, and chances of an event. Pure functions.

Kupiec's and Christoffersen's tests of how often a value at risk was crossed are `coverage.miss_tests`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

TENTHS = 10


def fz0(
    var: Float[np.ndarray, " rows"], es: Float[np.ndarray, " rows"], observed: Float[np.ndarray, " rows"], level: float
) -> Float[np.ndarray, " rows"]:
    """The Fissler-Ziegel score FZ0 of value at risk and expected shortfall; smaller is better, NaN where es >= 0.

    `var` and `es` are the `level`-quantile of the return and the mean of the returns below it, as returns: negative
    where something can be lost. `observed` is the return that came. All in the same unit; scaling all three by c adds
    log(c) to every score, so that differences between models have no unit. In expectation the true pair has the least
    score of all (Fissler and Ziegel 2016). The form is that of Patton, Ziegel and Chen (2019).

    >>> fz0(np.array([-0.02]), np.array([-0.03]), np.array([-0.04]), 0.05).round(3).tolist()
    [9.493]
    """
    lost = es < 0
    shortfall = np.where(lost, es, -1.0)
    excess = np.where(observed <= var, var - observed, 0.0)
    score = -excess / (level * shortfall) + var / shortfall + np.log(-shortfall) - 1
    return np.asarray(np.where(lost, score, np.nan))


def brier(chance: Float[np.ndarray, " rows"], happened: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """The squared error of each chance, 0..1; smaller is better (Brier 1950). The true chance has the least mean.

    >>> brier(np.array([0.8, 0.8]), np.array([True, False])).round(2).tolist()
    [0.04, 0.64]
    """
    return np.asarray((chance - happened) ** 2)


@dataclass(frozen=True)
class Tenth:
    """The forecasts whose chance lies in a tenth of 0..1: mean chance predicted, share that happened, their number."""

    tenth: int  # 0 is 0 to 10%
    predicted: float
    observed: float
    n: int


def reliability(chance: Float[np.ndarray, " rows"], happened: Bool[np.ndarray, " rows"]) -> list[Tenth]:
    """Predicted and observed by tenths of the chance, those without a forecast left out (Murphy and Winkler 1977).

    A tenth holds its lower end; the last holds 1 as well.

    >>> [tenth.tenth for tenth in reliability(np.array([0.1, 0.3, 1.0]), np.array([True, False, True]))]
    [1, 3, 9]
    """
    # A chance is a share of paths: 300 of 1,000 is in the tenth from 30%, however 0.3 is stored.
    place = np.minimum((TENTHS * chance + 1e-9).astype(int), TENTHS - 1)
    return [
        Tenth(int(tenth), float(chance[mine].mean()), float(happened[mine].mean()), int(mine.sum()))
        for tenth in np.unique(place)
        for mine in (place == tenth,)
    ]
