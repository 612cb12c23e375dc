"""The first-order recursion behind exponential averages and GARCH's variance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_banded


def recursive(values: Float[np.ndarray, " time"], keep: float, before: float) -> Float[np.ndarray, " time"]:
    """y_t = values_t + keep y_(t-1), where y before the first is `before`; |keep| is at most 1.

    Solved as one bidiagonal system. (scipy.signal has a filter for it, whose import takes longer than a forecast.)

    >>> recursive(np.array([1.0, 1.0, 1.0]), 0.5, 4.0)
    array([3.  , 2.5 , 2.25])
    """
    right = np.array(values, dtype=np.float64)
    right[:1] += keep * before
    if len(right) == 0:
        return right
    bands = np.stack([np.ones(len(right)), np.full(len(right), -keep)])
    return np.asarray(solve_banded((1, 0), bands, right, overwrite_b=True, check_finite=False))


def recursive_columns(values: Float[np.ndarray, "time column"], keep: float) -> Float[np.ndarray, "time column"]:
    """`recursive` of each column, with nothing before the first row."""
    bands = np.stack([np.ones(len(values)), np.full(len(values), -keep)])
    return np.asarray(solve_banded((1, 0), bands, values, check_finite=False))
