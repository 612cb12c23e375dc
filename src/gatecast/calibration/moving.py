"""Paths moved to other quantiles of each step; their ranks stay, and so do joint paths of several items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from gatecast.calibration.raw_bands import LEAST_WIDTH, LEVELS, NINETY
from gatecast.forecast import Density, ItemForecast

# From the widths of the 90% bands of an average and of its last member, by step, the factor to stretch the average by.
Stretch: TypeAlias = Callable[[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]], Float[np.ndarray, " steps"]]


def stretched(item: ItemForecast, theta: Float[np.ndarray, "steps levels"]) -> ItemForecast:
    """The forecast with the log stretch `theta` of each step and level of LEVELS about the medians, which stay."""
    moves = item.log_returns()
    order = np.argsort(moves, axis=0, kind="stable")
    count, half = len(moves), len(moves) // 2
    level = np.abs(2 * (np.arange(count) + 0.5) / count - 1)
    middle = np.median(moves, axis=0)
    by_level = np.stack([np.interp(level, LEVELS, at_step) for at_step in theta], axis=1)
    offsets = np.exp(by_level) * (np.take_along_axis(moves, order, axis=0) - middle)
    # From the centre out each path keeps at least the distance of the one inside it.
    offsets[half:] = np.maximum.accumulate(offsets[half:], axis=0)
    offsets[:half] = np.minimum.accumulate(offsets[:half][::-1], axis=0)[::-1]
    out = np.empty_like(moves)
    np.put_along_axis(out, order, middle + offsets, axis=0)
    density = _moved(item.density, middle, middle, np.exp(theta.mean(axis=1)))
    return replace(item.moved(item.last_close * np.exp(out)), density=density)


def averaged(
    item: ItemForecast,
    others: Float[np.ndarray, "member paths steps"],
    weights: Float[np.ndarray, "all steps"],
    stretch: Stretch,
) -> ItemForecast:
    """The forecast whose quantiles at each step are the weighted mean of its own and of the others' (Vincent 1912).

    `others` are log returns since the last close, each step ascending, each a sample of its own; `weights` of the
    item's own come first. The average is then stretched about its median, by what `stretch` says of its width and the
    last member's. A density keeps its form, and is moved and scaled as the median and the widths of the bands are. The
    sampling errors of the members are independent, so that their average has less of it.
    """
    moves = item.log_returns()
    order = np.argsort(moves, axis=0, kind="stable")
    own = np.take_along_axis(moves, order, axis=0)
    mean = weights[0] * own + (weights[1:, None] * others).sum(axis=0)
    before, after, last = (_widths(of) for of in (own, mean, others[-1]))
    more, middle = stretch(after[NINETY], last[NINETY]), np.median(mean, axis=0)
    out = np.empty_like(moves)
    np.put_along_axis(out, order, middle + more * (mean - middle), axis=0)
    factor = more * np.exp((np.log(after) - np.log(before)).mean(axis=0))
    density = _moved(item.density, np.median(own, axis=0), middle, factor)
    noise = np.square(weights).sum(axis=0)
    return replace(item.moved(item.last_close * np.exp(out)), density=density, noise=noise)


def _widths(moves: Float[np.ndarray, "paths steps"]) -> Float[np.ndarray, "levels steps"]:
    """Of the bands of LEVELS."""
    ends = np.quantile(moves, np.concatenate([(1 - LEVELS) / 2, (1 + LEVELS) / 2]), axis=0)
    return np.asarray(np.maximum(ends[len(LEVELS) :] - ends[: len(LEVELS)], LEAST_WIDTH))


def _moved(
    density: Density | None,
    middle: Float[np.ndarray, " steps"],
    to: Float[np.ndarray, " steps"],
    factor: Float[np.ndarray, " steps"],
) -> Density | None:
    """The density scaled by `factor` about `middle`, which comes to lie at `to`."""
    if density is None:
        return None
    return Density(loc=to + factor * (density.loc - middle), scale=factor * density.scale, df=density.df)
