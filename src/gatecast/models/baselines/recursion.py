"""The first-order recursion behind exponential averages and GARCH's variance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_NIL = 1e-20  # of a value that is far behind nothing is left in double precision


def recursive(values: Float[np.ndarray, " time"], keep: float, before: float) -> Float[np.ndarray, " time"]:
    """y_t = values_t + keep y_(t-1), where y before the first is `before`; |keep| is at most 1.

    By doubling: sums over 2, 4, 8, ... rows, until what is older has faded (Hillis and Steele 1986). (scipy.signal has
    a filter for it, whose import takes longer than a forecast; a solver of banded systems takes three times as long.)

    >>> recursive(np.array([1.0, 1.0, 1.0]), 0.5, 4.0)
    array([3.  , 2.5 , 2.25])
    """
    found = np.array(values, dtype=np.float64)
    found[:1] += keep * before
    reach, factor = 1, keep
    while reach < len(found) and abs(factor) > _NIL:
        found[reach:] += factor * found[:-reach]
        reach, factor = 2 * reach, factor * factor
    return found
