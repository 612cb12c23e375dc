"""How far do bands stray when nothing is wrong with them?

Eighty simulated stocks of known volatility, of which a common factor explains some of every day's move, as it does with
real ones; --correlation is that of any two. Every fifth session for four years they
are forecast with the very distribution they are drawn from, as they are
and through the gain of 0.18 alone, which the calibrator believes beside none. The
table has, for steps 1, 5 and 20, how often each of the four years holds 50, 80, 90 and 95% within two points; how often
the four years together do within three; and the farthest that a band strays in a year, the median and the 90%
quantile over the trials. With --stocks 1 it is a single series. About a minute.

    python benchmarks/honest_years.py [--stocks 80] [--correlation 0.35] [--trials 400]
"""

from __future__ import annotations

import argparse

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from gatecast.calibration.bands import EAGER, FEW, LEVELS, SETTLING
from gatecast.calibration.gains import gains_of

EVERY, YEARS, ORIGINS = 5, 4, 50  # origins a year
BEFORE = 100  # origins that the calibrator has seen
BANDS = (0.5, 0.8, 0.9, 0.95)
STEPS = (1, 5, 20)
WITHIN_A_YEAR, WITHIN_ALL = 0.02, 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stocks", type=int, default=80)
    parser.add_argument("--correlation", type=float, default=0.35)
    parser.add_argument("--trials", type=int, default=400)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    strayed: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for _ in range(arguments.trials):
        log_price = walks(rng, arguments.stocks, arguments.correlation)
        origins = np.arange(BEFORE + YEARS * ORIGINS) * EVERY
        for step in STEPS:
            size = np.abs(log_price[origins + step] - log_price[origins]) / np.sqrt(step)
            for name, shares in (("as it is", plain(size)), ("calibrated", calibrated(size, step))):
                strayed.setdefault((step, name), []).append(farthest(shares))
    print("step              each year within 2   all within 3   farthest in a year: median, 90% quantile (points)")
    for (step, name), found in strayed.items():
        year, whole = np.array(found).T
        far = 100 * np.quantile(year, [0.5, 0.9])
        good, pooled = (year <= WITHIN_A_YEAR).mean(), (whole <= WITHIN_ALL).mean()
        print(f"{step:4d}  {name:10s} {good:18.0%} {pooled:14.0%} {far[0]:28.1f}, {far[1]:.1f}")


def walks(rng: np.random.Generator, stocks: int, correlation: float) -> Float[np.ndarray, "row stock"]:
    """Log prices that move by one a day, in part together."""
    rows = (BEFORE + YEARS * ORIGINS) * EVERY + max(STEPS)
    common, own = rng.standard_normal((rows, 1)), rng.standard_normal((rows, stocks))
    moves = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    return np.vstack([np.zeros(stocks), np.cumsum(moves, axis=0)])


def plain(size: Float[np.ndarray, "origin stock"]) -> Float[np.ndarray, "origin level"]:
    """The share of stocks inside the true band of each level."""
    return inside(size, np.zeros(len(LEVELS))).mean(axis=1)


def inside(
    size: Float[np.ndarray, "*rows stock"], theta: Float[np.ndarray, " level"]
) -> Bool[np.ndarray, "*rows stock level"]:
    return np.asarray(size[..., None] <= np.exp(theta) * stats.norm.ppf((1 + LEVELS) / 2))


def calibrated(size: Float[np.ndarray, "origin stock"], step: int) -> Float[np.ndarray, "origin level"]:
    """The same through the rule of `calibration.bands.Calibrator`, whose model's bands never change their width."""
    gain, late = gains_of(step)[1, -1], int(np.ceil(step / EVERY))
    missed, shares = np.zeros(len(LEVELS)), np.empty((len(size), len(LEVELS)))
    for origin, moves in enumerate(size):
        if origin >= late:
            known = origin - late
            eager = 1 + EAGER * 0.5 ** (known / SETTLING)
            missed += eager * len(moves) / (len(moves) + FEW) * (LEVELS - shares[known])
        shares[origin] = inside(moves, gain * missed).mean(axis=0)
    return shares


def farthest(shares: Float[np.ndarray, "origin level"]) -> tuple[float, float]:
    """The farthest that a reported band strays in a year, and over all years."""
    strays = np.abs(shares[BEFORE:].reshape(YEARS, ORIGINS, len(LEVELS)).mean(axis=1) - LEVELS)
    whole = np.abs(shares[BEFORE:].mean(axis=0) - LEVELS)
    reported = np.isin(LEVELS, BANDS)
    return float(strays[:, reported].max()), float(whole[reported].max())


if __name__ == "__main__":
    main()
