"""Is a difference in scores more than luck: Diebold-Mariano, Holm, and the interval of a coverage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit  # Student-t; scipy.stats takes longer to import than to test

Kernel = Literal["cautious", "rectangular", "bartlett"]


@dataclass(frozen=True)
class DieboldMariano:
    """A test of equal accuracy over `n` differences: `dm` > 0 where their mean is; two-sided `p_value`.

    `dm` is NaN and `p_value` 1 where the differences cannot tell: fewer than three, or all zero.
    """

    mean: float
    dm: float
    p_value: float
    n: int

    @property
    def p_greater(self) -> float:
        """One-sided p-value of "the first loss is larger"."""
        if np.isnan(self.dm):
            return 1.0
        return self.p_value / 2 if self.dm > 0 else 1 - self.p_value / 2


def diebold_mariano(
    differences: Float[np.ndarray, " n"], *, overlap: int = 0, kernel: Kernel = "cautious"
) -> DieboldMariano:
    """Test that loss differences, one an origin in time order, have mean zero (Diebold and Mariano 1995).

    `overlap` is the number of later origins whose forecasts share days with one origin's: h - 1 for origins
    one step apart and h steps ahead, 0 where forecasts do not overlap. The statistic carries the small-sample
    correction of Harvey, Leybourne and Newbold (1997) and is held against Student's t with `freedom` degrees of
    freedom; with `overlap=0` and the rectangular kernel it is the one-sample t-test.

    >>> diebold_mariano(np.array([1.0, 2.0, 3.0, 4.0, -1.0])).p_value.__round__(3)
    0.105
    """
    n = len(differences)
    mean = float(np.mean(differences)) if n else float("nan")
    if n < 3 or not np.any(differences):
        return DieboldMariano(mean, float("nan"), 1.0, n)
    overlap = min(overlap, n - 2)
    variance = variance_of_mean(differences, overlap=overlap, kernel=kernel)
    # The same difference at every origin has no variance, and no doubt.
    corrected = mean * np.sqrt(_kept(n, overlap) / variance) if variance > 0 else np.copysign(np.inf, mean)
    p_value = float(2 * stdtr(freedom(n, overlap), -abs(corrected)))
    return DieboldMariano(mean, float(corrected), p_value, n)


def freedom(n: int, overlap: int) -> float:
    """Degrees of freedom of a mean of `n` values of which each shares days with `overlap` later ones.

    A variance from autocovariances to lag h - 1 has about n / h degrees of freedom (Priestley 1981, 6.2.4), not
    the n - 1 of Harvey, Leybourne and Newbold, with which few origins that overlap claim far too often. With
    the rows that their correction keeps it is n - 1 again where nothing overlaps.

    >>> freedom(12, 0), round(freedom(60, 4), 1)
    (11.0, 10.3)
    """
    return n * _kept(n, overlap) / (overlap + 1)


def _kept(n: int, overlap: int) -> float:
    """Share of the variance that the sample's own mean leaves: Harvey, Leybourne and Newbold's factor."""
    h = min(overlap, n - 2) + 1
    return (n + 1 - 2 * h + h * (h - 1) / n) / n


def variance_of_mean(differences: Float[np.ndarray, " n"], *, overlap: int = 0, kernel: Kernel = "cautious") -> float:
    """HAC variance of the mean of a series of 3 values or more in time order; the square of its unit.

    An `overlap` of more than n - 2 counts as n - 2: with all lags the rectangular variance is 0, whatever the series.

    - rectangular: autocovariances to lag `overlap` with weight 1 (Diebold and Mariano); may be negative.
    - bartlett: weights 1 - k / (overlap + 1) (Newey and West 1987); never negative.
    - cautious, the default: the largest of the rectangular, the Bartlett, and a Bartlett whose lags follow
      Newey and West's rule floor(4 (n / 100)^(2/9)). The last sees what overlap does not explain: gains that
      come in runs because volatility does. The largest, since a false claim costs more than a missed one.
    """
    n = len(differences)
    if kernel == "cautious":
        rule = int(4 * (n / 100) ** (2 / 9))
        return max(
            variance_of_mean(differences, overlap=overlap, kernel="rectangular"),
            variance_of_mean(differences, overlap=overlap, kernel="bartlett"),
            variance_of_mean(differences, overlap=rule, kernel="bartlett"),
        )
    centred = differences - np.mean(differences)
    overlap = min(overlap, n - 2)
    lags = np.arange(1, overlap + 1)
    covariances = np.array([centred[k:] @ centred[: n - k] for k in lags]) / n
    weights = 1 - lags / (overlap + 1) if kernel == "bartlett" else np.ones(overlap)
    return float((centred @ centred / n + 2 * weights @ covariances) / n)


def by_date(values: Float[np.ndarray, " rows"], dates: np.ndarray) -> Float[np.ndarray, " dates"]:
    """The mean of each date's values, dates ascending: assets that move together count once."""
    _, index = np.unique(dates, return_inverse=True)
    return np.asarray(np.bincount(index, weights=values) / np.bincount(index))


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Holm's (1979) adjusted p-values: compared with 5%, the chance of any false claim stays at 5%.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    size = len(p_values)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * (size - np.arange(size)))
    adjusted = np.empty(size)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def coverage_interval(
    hits: Float[np.ndarray, " rows"], dates: np.ndarray, *, overlap: int = 0, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Share of hits with its interval: (share, low, high), where rows of one date may move together.

    Every date counts once, however many rows it has.

    Wilson's (1927) interval at the number of independent rows that would have the same variance: the HAC
    variance of the dates' shares stands against share (1 - share) / rows. Student's t replaces the normal,
    with one degree of freedom less than there are dates that share no days with each other. Where every row or
    none hits, each of these dates counts as one row.

    >>> [round(x, 2) for x in coverage_interval(np.ones(12), np.arange(12))]
    [1.0, 0.71, 1.0]
    """
    return share_interval(by_date(hits, dates), len(hits), overlap=overlap, confidence=confidence)


def share_interval(
    shares: Float[np.ndarray, " dates"], rows: int, *, overlap: int = 0, confidence: float = 0.95
) -> tuple[float, float, float]:
    """`coverage_interval` from the share of each date, in time order, of so many rows on all dates together."""
    n = len(shares)
    share = float(np.mean(shares))
    if n < 3:
        return share, 0.0, 1.0
    blocks = max(n / (overlap + 1), 2.0)
    variance = variance_of_mean(shares, overlap=overlap) * blocks / (blocks - 1)
    effective = min(share * (1 - share) / variance, rows) if variance > 0 else blocks
    z2 = float(stdtrit(blocks - 1, (1 + confidence) / 2)) ** 2
    centre = (share + z2 / (2 * effective)) / (1 + z2 / effective)
    half = np.sqrt(z2 * (share * (1 - share) / effective + z2 / (4 * effective**2))) / (1 + z2 / effective)
    return share, float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def change_interval(differences: Float[np.ndarray, "seed origin"], *, overlap: int = 0) -> tuple[float, float, float]:
    """Mean of paired differences and its 95% interval: (mean, low, high), in their unit.

    Origins and seeds both are samples: the variance is the HAC variance over origins of the seeds' mean
    (`variance_of_mean`), plus the variance over seeds of the origins' mean. A network's luck is
    the same at all origins, so origins alone would take it for merit. Student's t with the degrees of freedom
    of Satterthwaite (1946). The ends are infinite for fewer than three origins or two seeds.

    >>> change_interval(np.zeros((3, 12)))
    (0.0, 0.0, 0.0)
    """
    seeds, origins = differences.shape
    mean = float(differences.mean())
    if origins < 3 or seeds < 2:
        return mean, -math.inf, math.inf
    of_origins = variance_of_mean(differences.mean(axis=0), overlap=overlap) / _kept(origins, overlap)
    of_seeds = float(differences.mean(axis=1).var(ddof=1)) / seeds
    variance = of_origins + of_seeds
    if variance == 0:
        return mean, mean, mean
    satterthwaite = variance**2 / (of_origins**2 / freedom(origins, overlap) + of_seeds**2 / (seeds - 1))
    reach = float(stdtrit(satterthwaite, 0.975)) * math.sqrt(variance)
    return mean, mean - reach, mean + reach
