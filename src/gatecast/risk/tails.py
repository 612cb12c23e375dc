"""What can be lost, and how far a price moves: value at risk, expected shortfall, volatility, the implied move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gatecast.calendars import describe
from gatecast.risk.estimates import Estimate, mean, quantile_sorted

BUSINESS_DAYS = 252  # a year, of an exchange that closes on weekends and holidays
_RECENT = 60  # days that say how many bars a day has


@dataclass(frozen=True, kw_only=True, eq=False)
class TailRisk:
    """Value at risk and expected shortfall by step at one level, as shares of the value; a loss is positive.

    Both estimates are (horizon,). `level` is the share of paths that lose more: 0.05 is the worst in twenty.
    """

    level: float
    value_at_risk: Estimate
    expected_shortfall: Estimate


def tail_risks(relative: Float[np.ndarray, "paths horizon"], levels: Sequence[float]) -> list[TailRisk]:
    """Value at risk and expected shortfall of values relative to the first (1 is no change) at each level.

    The value at risk is the (1 - level) quantile of the loss; the expected shortfall is the mean of the worst `level`
    of the paths, with the part of the path on the boundary that completes the share (Acerbi and Tasche 2002), and so is
    never below it. The error of the shortfall is that of the mean of `max(loss - value at risk, 0) / level` (Chen
    2008).
    """
    losses = np.sort(1.0 - relative, axis=0)
    return [_tail_risk(losses, level) for level in levels]


def _tail_risk(losses: Float[np.ndarray, "paths horizon"], level: float) -> TailRisk:
    at_risk = quantile_sorted(losses, 1 - level)
    shortfall = np.asarray(tail_weights(len(losses), level)[::-1] @ losses)
    beyond = mean(np.maximum(losses - at_risk.value, 0.0) / level)
    return TailRisk(
        level=level, value_at_risk=at_risk, expected_shortfall=Estimate(value=shortfall, error=beyond.error)
    )


def tail_weights(paths: int, level: float) -> Float[np.ndarray, " paths"]:
    """The weight of each path in the mean of the worst `level`, the worst path first; they sum to 1.

    >>> tail_weights(5, 0.3).round(3).tolist()
    [0.667, 0.333, 0.0, 0.0, 0.0]
    """
    return np.asarray(np.clip(paths * level - np.arange(paths), 0.0, 1.0) / (paths * level))


def volatility(relative: Float[np.ndarray, "paths horizon"], periods: float) -> Estimate:
    """The standard deviation of the log return to each step, annualised by the square root of time; (horizon,).

    `relative` holds positive values relative to the first; `periods` is steps a year (`periods_per_year`). The error
    follows from the fourth moment (Cramer 1946, chapter 27); where tails are so heavy that they have none, it is too
    small: by a third for Student's t with 4 degrees of freedom.
    """
    returns = np.log(relative)
    squares = (returns - returns.mean(axis=0)) ** 2
    variance = squares.mean(axis=0)
    deviation = np.sqrt(variance)
    of_variance = np.sqrt(np.maximum((squares**2).mean(axis=0) - variance**2, 0.0) / len(returns))
    error = np.divide(of_variance, 2 * deviation, out=np.zeros_like(deviation), where=deviation > 0)
    scale = np.sqrt(periods / np.arange(1, relative.shape[1] + 1))
    return Estimate(value=np.asarray(deviation * scale), error=np.asarray(error * scale))


def implied_move(relative: Float[np.ndarray, "paths horizon"]) -> Estimate:
    """The mean absolute change to each step, as a share: "plus or minus 4.1% by Friday"; (horizon,).

    What an option straddle at the last price pays on average (Brenner and Subrahmanyam 1988); of normal moves, 58% are
    smaller.
    """
    return mean(np.abs(relative - 1.0))


def periods_per_year(timestamps: np.ndarray) -> float:
    """How many steps of a series a year has, by its spacing: 252 business days, 365 days, 52 weeks, 12 months.

    Bars within a day count by day; `timestamps` increase.

    >>> periods_per_year(np.arange("2024-01-01", "2024-03-01", dtype="M8[D]").astype("M8[ns]"))
    365.0
    """
    spacing = describe(timestamps)
    if spacing.freq == "M":
        return 12 / spacing.step
    if spacing.freq == "W":
        return 364 / spacing.step
    days = float(BUSINESS_DAYS) if len(spacing.weekdays) == 5 else 365 * len(spacing.weekdays) / 7
    if spacing.freq != "h":
        return days
    bars = np.unique(timestamps.astype("datetime64[D]"), return_counts=True)[1]
    return days * math.ceil(float(np.median(bars[-_RECENT:])))
