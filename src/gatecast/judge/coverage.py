"""Are a band's misses as many as promised, and scattered as chance scatters them: classic tests, and a PIT test."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import chdtrc, eval_legendre, fdtrc, xlogy

from gatecast.judge.significance import Kernel, by_date, variance_of_mean

MOMENTS = 4  # of the PIT: where it lies, how wide, how lopsided, how heavy its ends
FEW_MOMENTS, MANY_BLOCKS = 2, 40  # with fewer blocks of dates only the first two can be distinguished
LEAST_DATES = 12  # fewer cannot tell
LEAST_ROWS = 12  # forecasts; a test of the misses of fewer says nothing


def kupiec(violations: int, n: int, rate: float) -> float:
    """Likelihood ratio of "a violation has probability `rate`": chi-squared with 1 degree of freedom.

    Kupiec (1995), the proportion of failures among `n` independent forecasts.

    >>> round(kupiec(10, 250, 0.01), 2)
    12.96
    """
    return 2 * (_likelihood(violations, n) - _likelihood(violations, n, rate))


def christoffersen(transitions: Int[np.ndarray, "before after"]) -> float:
    """Likelihood ratio of "a violation does not make the next likelier or less": chi-squared, 1 degree.

    Christoffersen (1998), equation 10. `transitions[i, j]` counts forecasts with outcome j after one with
    outcome i; 1 is a violation. Added to Kupiec's ratio it tests both, with 2 degrees of freedom.

    >>> round(christoffersen(np.array([[90, 5], [4, 1]])), 3)
    1.213
    """
    apart = sum(_likelihood(int(row[1]), int(row.sum())) for row in transitions)
    return 2 * (apart - _likelihood(int(transitions[:, 1].sum()), int(transitions.sum())))


def _likelihood(violations: int, n: int, rate: float | None = None) -> float:
    """Log likelihood of a violation's probability; of the share that was found unless given."""
    rate = violations / max(n, 1) if rate is None else rate
    return float(xlogy(violations, rate) + xlogy(n - violations, 1 - rate))


def design_effect(
    values: Float[np.ndarray, " rows"], dates: np.ndarray, *, overlap: int = 0, kernel: Kernel = "cautious"
) -> float:
    """How many times the variance of the mean of `values` is what independent rows would have; 1 at least.

    Rows of a date move together, and dates overlap: the variance of the mean is the HAC one of the dates' means
    (`significance.variance_of_mean`). A likelihood ratio divided by this has about its usual distribution (Rao
    and Scott 1981). Where the rows do not vary, each date without overlap counts as one row. One asset without
    overlap has 1: that is the classic test.
    """
    shares = by_date(values, dates)
    if len(shares) == len(values) and overlap == 0:
        return 1.0
    blocks = max(len(shares) / (overlap + 1), 1.0)
    if len(shares) < 3 or not values.var() > 0:
        return len(values) / blocks
    spread = variance_of_mean(shares, overlap=overlap, kernel=kernel)
    return max(spread * len(values) / float(values.var()), 1.0)


def pairs(
    violated: Bool[np.ndarray, " rows"], items: np.ndarray, dates: np.ndarray, *, gap: int = 1
) -> tuple[Bool[np.ndarray, " pairs"], Bool[np.ndarray, " pairs"], np.ndarray]:
    """Each item's violations before and after, and the later date, over every `gap`-th date."""
    order = np.lexsort((dates, items))
    order = order[np.isin(dates[order], np.unique(dates)[::gap])]
    violated, items, dates = violated[order], items[order], dates[order]
    same = items[1:] == items[:-1]
    return violated[:-1][same], violated[1:][same], dates[1:][same]


def pit_test(pit: Float[np.ndarray, " rows"], dates: np.ndarray, *, gap: int = 1) -> tuple[float, float]:
    """Whether the PIT is uniform: (statistic, p-value); NaN and 1 where the dates are too few.

    Its moments, as normalised Legendre polynomials (Neyman's smooth test, 1937), are averaged by date and held
    against zero with their HAC covariance (Knueppel 2015). Only every `gap`-th date counts, so that forecasts
    share no days. Hotelling's F, with a degree of freedom for each block of lags, allows for an estimated
    covariance. On uniform PITs it rejected at 5% in 3 to 6% of trials with 12 to 200 dates, 1 or 20 assets.
    """
    kept = np.isin(dates, np.unique(dates)[::gap])
    pit, dates = pit[kept], dates[kept]
    return moments_test(np.stack([by_date(moment, dates) for moment in pit_moments(pit)], axis=1))


def pit_moments(pit: Float[np.ndarray, "*rows"]) -> Float[np.ndarray, " moments *rows"]:
    """The first `MOMENTS` normalised Legendre polynomials of a PIT: mean 0 and variance 1 where it is uniform."""
    return np.stack([np.sqrt(2 * k + 1) * eval_legendre(k, 2 * pit - 1) for k in range(1, MOMENTS + 1)])


def moments_test(moments: Float[np.ndarray, "dates moments"]) -> tuple[float, float]:
    """`pit_test` from the mean `pit_moments` of each date, in time order, of dates that share no days."""
    n = len(moments)
    if n < LEAST_DATES:
        return float("nan"), 1.0
    lags = int(4 * (n / 100) ** (2 / 9))
    blocks = n / (lags + 1)
    count = MOMENTS if blocks >= MANY_BLOCKS else FEW_MOMENTS
    moments = moments[:, :count]
    mean = moments.mean(axis=0)
    centred = moments - mean
    covariance = centred.T @ centred
    for lag in range(1, lags + 1):  # with Bartlett's weights (Newey and West 1987)
        across = centred[lag:].T @ centred[:-lag]
        covariance += (1 - lag / (lags + 1)) * (across + across.T)
    covariance /= n**2
    if np.linalg.matrix_rank(covariance) < count:
        return float("nan"), 1.0
    squared = float(mean @ np.linalg.solve(covariance, mean))
    statistic = squared * (blocks - count) / (count * (blocks - 1))
    return statistic, float(fdtrc(count, blocks - count, statistic))


def miss_tests(
    violated: Bool[np.ndarray, " rows"],
    items: np.ndarray,
    dates: np.ndarray,
    *,
    rate: float,
    overlap: int = 0,
    least_effect: float = 1.0,
) -> dict[str, float]:
    """Kupiec's ratio, Christoffersen's, and their sum, each divided by its design effect, with p-values.

    Keys: `kupiec`, `kupiec_p`, `christoffersen`, `christoffersen_p`, `both`, `both_p`; NaN where the rows are too few.
    `rate` is the promised chance of a violation. Each date's forecasts share days with those of `overlap` later ones:
    the number of violations is held against its HAC variance, their independence is tested over forecasts that share
    no days. `least_effect` is the least design effect of their number.
    """
    number = independence = math.nan
    if len(violated) >= LEAST_ROWS:
        effect = max(design_effect(violated.astype(float), dates, overlap=overlap), least_effect)
        number = kupiec(int(violated.sum()), len(violated), rate) / effect
        independence = _independence(violated, items, dates, overlap + 1)
    found: dict[str, float] = {}
    ratios = {"kupiec": (1, number), "christoffersen": (1, independence), "both": (2, number + independence)}
    for test, (freedom, ratio) in ratios.items():
        found |= {test: ratio, f"{test}_p": float(chdtrc(freedom, ratio))}
    return found


def _independence(violated: np.ndarray, items: np.ndarray, dates: np.ndarray, gap: int) -> float:
    """Christoffersen's ratio over forecasts that share no days, all items' transitions together."""
    before, after, when = pairs(violated, items, dates, gap=gap)
    if len(before) < LEAST_ROWS:
        return math.nan
    counts = np.array([[np.sum((before == i) & (after == j)) for j in (False, True)] for i in (False, True)])
    rate = float(violated.mean())
    # Luck alone leaves these products without memory: only the assets of a date move together.
    effect = design_effect((before - rate) * (after - rate), when, kernel="rectangular")
    return christoffersen(counts) / effect
