"""What a random walk in log price says of levels: chances in closed form, the rival of simulated ones."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

# A price seen once a step passes a level unseen at times: as if the level lay so many of a step's deviations farther.
# -zeta(1/2) / sqrt(2 pi), Broadie, Glasserman and Kou (1997).
CLOSE_SHIFT = 0.5825971579390107
_TERMS = 40  # of the series, enough to all digits from a tenth of the deviation of all steps on


def touch_chance(distance: Float[np.ndarray, "*shape"] | float, steps: int, *, ranged: bool) -> np.ndarray:
    """The chance that a driftless walk touches a level within `steps`; `distance` in deviations of one step, above 0.

    The reflection principle (Karatzas and Shreve 1991, 2.6): twice the chance to end beyond the level. With `ranged`
    a day's high and low count and the walk is watched all the time; else at the closes alone, which is the chance of a
    level `CLOSE_SHIFT` deviations farther away.

    >>> touch_chance(2.0, 4, ranged=True).round(3).item()
    0.317
    """
    reach = (np.asarray(distance) + (0.0 if ranged else CLOSE_SHIFT)) / math.sqrt(steps)
    return np.asarray(2 * ndtr(-reach))


def first_of_two_chance(distance: Float[np.ndarray, "*shape"] | float, steps: int, *, ranged: bool) -> np.ndarray:
    """The chance to touch, within `steps`, the one of two levels `distance` above and below before the other.

    By symmetry half the chance to leave the interval, whose series is in Karatzas and Shreve (1991), 2.8: with c the
    distance over the deviation of all steps, 1 - sum over k of (-1)^k [Phi((2k + 1) c) - Phi((2k - 1) c)].

    >>> first_of_two_chance(2.0, 4, ranged=True).round(3).item()
    0.315
    """
    reach = (np.asarray(distance) + (0.0 if ranged else CLOSE_SHIFT)) / math.sqrt(steps)
    k = np.arange(-_TERMS, _TERMS + 1)
    c = reach[..., None]
    stays = ((-1.0) ** k * (ndtr((2 * k + 1) * c) - ndtr((2 * k - 1) * c))).sum(axis=-1)
    return np.asarray((1 - stays) / 2)
