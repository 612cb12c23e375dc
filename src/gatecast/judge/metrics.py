"""How good a forecast was: each score in one place, in numpy, for a row or for many at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gatecast.errors import UsageError

ROUNDING = 1e-9  # share of a price; prices closer than this are the same price, computed in two ways
LEAN = 1e-5  # share of a price; a median of simulated paths this close to the last close forecasts no move


def crps_paths(
    paths: Float[np.ndarray, "*rows paths"], actual: Float[np.ndarray, "*rows"], *, fair: bool = True
) -> Float[np.ndarray, "*rows"]:
    """Continuous ranked probability score of simulated values, in their own unit; smaller is better.

    Shapes: `paths` is (..., P) in any order, `actual` and the answer are (...). Exact for the P values, by
    sorting, in O(P log P). `fair=True` averages the distance of two paths over the P(P-1) unequal pairs and
    so is unbiased for the distribution they were drawn from (Ferro 2014; Zamo and Naveau 2018); `fair=False`
    scores the P values as if they were the whole distribution (the mean over P squared pairs).
    Raises `UsageError` for fewer than two paths.

    >>> crps_paths(np.array([0.0, 1.0]), np.array(0.5), fair=False).item()
    0.25
    """
    size = paths.shape[-1]
    if size < 2:
        raise UsageError(f"CRPS needs at least 2 paths; got {size}. Simulate more, for example 1000.")
    return crps_sorted(np.sort(paths, axis=-1), actual, fair=fair)


def crps_sorted(
    ordered: Float[np.ndarray, "*rows paths"],
    actual: Float[np.ndarray, "*rows"],
    *,
    fair: bool = True,
    noise: Float[np.ndarray, "*rows"] | float = 1.0,
) -> Float[np.ndarray, "*rows"]:
    """`crps_paths` for values that are already in ascending order along the last axis.

    `noise` as `ItemForecast` has it. The sampling error of P independent values lengthens their mean distance to the
    actual by a P-th of half of the mean distance of two of them, and the fair score takes both off; where the error is
    smaller, what is missing of it is added, or it would be taken for skill.
    """
    size = ordered.shape[-1]
    distance = np.abs(ordered - actual[..., None]).mean(axis=-1)
    # Sum over pairs i < j of (x_j - x_i) = sum of (2i - P - 1) x_(i), i = 1..P.
    spread = ordered @ (2.0 * np.arange(1, size + 1) - size - 1)
    if not fair:
        return np.asarray(distance - spread / (size * size))
    return np.asarray(distance - spread / (size * (size - 1)) * (1 - (1 - noise) / size))


def pit_sorted(
    ordered: Float[np.ndarray, "*rows paths"], actual: Float[np.ndarray, "*rows"]
) -> Float[np.ndarray, "*rows"]:
    """Probability integral transform: the share of paths below the actual, ties counted half; 0..1.

    Paths within `ROUNDING` of the actual are ties.
    """
    slack = ROUNDING * np.abs(actual)
    below = (ordered < (actual - slack)[..., None]).mean(axis=-1)
    not_above = (ordered <= (actual + slack)[..., None]).mean(axis=-1)
    return np.asarray((below + not_above) / 2)


def quantile_sorted(
    ordered: Float[np.ndarray, "*rows paths"], levels: Float[np.ndarray, " levels"]
) -> Float[np.ndarray, "*rows levels"]:
    """Quantiles by linear interpolation of sorted values (Hyndman and Fan 1996, type 7)."""
    place = np.asarray(levels) * (ordered.shape[-1] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, ordered.shape[-1] - 1)
    share = place - low
    below, above = ordered[..., low], ordered[..., high]
    return np.asarray(below + (above - below) * share)


def pinball(
    quantiles: Float[np.ndarray, "rows levels"],
    actual: Float[np.ndarray, " rows"],
    levels: Float[np.ndarray, " levels"],
) -> Float[np.ndarray, " rows"]:
    """Pinball loss, averaged over the levels (Koenker and Bassett 1978); the unit of `actual`.

    >>> pinball(np.array([[1.0]]), np.array([3.0]), np.array([0.9])).tolist()
    [1.8]
    """
    error = actual[:, None] - quantiles
    return np.asarray(np.maximum(levels * error, (levels - 1) * error).mean(axis=1))


def crps_quantiles(
    quantiles: Float[np.ndarray, "*rows levels"],
    actual: Float[np.ndarray, "*rows"],
    levels: Float[np.ndarray, " levels"],
) -> Float[np.ndarray, "*rows"]:
    """CRPS of a forecast known by its quantiles alone, in their own unit; smaller is better.

    Twice the pinball loss integrated over the levels (Laio and Tamea 2007; Gneiting and Ranjan 2011). `levels` ascend;
    each stands for the levels nearer to it than to its neighbours, the first and last also for those beyond them. With
    the 17 levels of `forecast.QUANTILES` it is within 2% of the exact score of usual price forecasts.

    >>> levels = np.arange(0.005, 1, 0.01)
    >>> crps_quantiles(levels, np.array(0.5), levels).round(3).item()  # of a uniform: 1/12
    0.083
    """
    bounds = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    error = actual[..., None] - quantiles
    return np.asarray(2 * np.maximum(levels * error, (levels - 1) * error) @ np.diff(bounds))


def coverage(
    lower: Float[np.ndarray, " rows"], upper: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"]
) -> float:
    """Share of rows whose actual lies in [lower, upper]."""
    return float(np.mean(inside(lower, upper, actual)))


def inside(
    lower: Float[np.ndarray, " rows"], upper: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"]
) -> np.ndarray:
    """Whether each actual lies in [lower, upper], or within `ROUNDING` of it."""
    slack = ROUNDING * np.abs(actual)
    return np.asarray((lower <= actual + slack) & (actual - slack <= upper))


def mae(point: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"]) -> float:
    """Mean absolute error; the unit of `actual`. The score a median minimises (Gneiting 2011)."""
    return float(np.mean(np.abs(actual - point)))


def rmse(point: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"]) -> float:
    """Root of the mean squared error; the unit of `actual`. The score a mean minimises (Gneiting 2011)."""
    return float(np.sqrt(np.mean((actual - point) ** 2)))


def smape(point: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"]) -> float:
    """Symmetric mean absolute percentage error as in the M4 competition; percent, 0..200.

    >>> smape(np.array([110.0]), np.array([90.0]))
    20.0
    """
    return float(np.mean(200.0 * np.abs(actual - point) / (np.abs(actual) + np.abs(point))))


def naive_scale(history: Float[np.ndarray, " time"]) -> float:
    """Mean absolute one-step error of "tomorrow is today" over `history`; NaN for fewer than two rows.

    The denominator of MASE (Hyndman and Koehler 2006), from rows at or before the cutoff alone.
    """
    return float(np.mean(np.abs(np.diff(history)))) if len(history) > 1 else float("nan")


def mase(
    point: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"], scale: Float[np.ndarray, " rows"]
) -> float:
    """Mean absolute scaled error: each error over its `naive_scale`.

    Rows whose scale is 0 or unknown are left out, for their price never moved; NaN where no row is left.
    """
    moved = scale > ROUNDING * np.abs(actual)
    return float(np.mean(np.abs(actual - point)[moved] / scale[moved])) if moved.any() else float("nan")


def direction(
    point: Float[np.ndarray, " rows"], actual: Float[np.ndarray, " rows"], last: Float[np.ndarray, " rows"]
) -> float:
    """Share of moves whose sign was forecast, where forecast and price both moved; NaN if none did.

    A median within `LEAN` of the last close is no forecast of a move.

    >>> direction(np.array([101.0, 99.0, 100.0]), np.array([102.0, 103.0, 90.0]), np.full(3, 100.0))
    0.5
    """
    predicted = np.sign(np.where(np.isclose(point, last, rtol=LEAN, atol=0), 0.0, point - last))
    observed = np.sign(np.where(np.isclose(actual, last, rtol=ROUNDING, atol=0), 0.0, actual - last))
    moved = (predicted != 0) & (observed != 0)
    return float(np.mean(predicted[moved] == observed[moved])) if moved.any() else float("nan")
