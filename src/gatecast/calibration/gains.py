"""How strongly to answer a miss: several gains side by side, each believed by the loss that its bands have earned."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gatecast.calibration.raw_bands import LEAST_WIDTH, LEVELS

GAINS = np.array([0.0, 0.18, 0.5])  # of the log stretch per wholly missed origin; 0: the bands as they come
BELIEF = np.array([0.45, 0.5, 0.05])  # in each before any loss: an answer holds years better and costs sharpness
DOUBT = 0.5  # beyond PROMPT belief in an answer falls as h^-0.5, in none it grows: there an answer costs more
RATE = 1.5  # how fast a loss, in widths of a band, moves belief
HALF_LIFE = 40  # origins; a loss from before counts half
MOST_LOST = 3.0  # by one asset at one origin more than by the bands as they come: no single day decides
MOST_PACE = 2.0  # origins that one stands for at most, where they lie farther apart
TOGETHER = 0.35  # correlation of assets: N of them tell as much as N / (1 + TOGETHER (N - 1)) that move apart
PROMPT = 5  # steps whose outcomes are known by the next of origins 5 apart; those of h steps overlap h / PROMPT times
GAIN_FALL = 0.35  # beyond PROMPT a gain falls as h^-0.35: outcomes come later, a strong answer would swing


def gains_of(horizon: int) -> Float[np.ndarray, "gain horizon"]:
    """How much one wholly missed origin moves the log stretch, by step."""
    return np.asarray(GAINS[:, None] * _late(horizon) ** -GAIN_FALL)


def beliefs(lost: Float[np.ndarray, "gain horizon"]) -> Float[np.ndarray, "gain horizon"]:
    """The weight of each gain at each step, in sum 1: exponential in what it has lost (Vovk 1990; Gibbs, Candes 2024).

    >>> beliefs(np.zeros((3, 20)))[:, [0, 19]].round(2).T.tolist()
    [[0.45, 0.5, 0.05], [0.72, 0.25, 0.02]]
    """
    first = BELIEF[:, None] * _late(lost.shape[1]) ** -DOUBT
    first[0] = 1 - first[1:].sum(axis=0)
    weights = first * np.exp(-RATE * (lost - lost.min(axis=0)))
    return np.asarray(weights / weights.sum(axis=0))


def lost(
    below: Float[np.ndarray, "gain steps levels"],
    above: Float[np.ndarray, "gain steps levels"],
    raw_width: Float[np.ndarray, "steps levels"],
    move: Float[np.ndarray, " steps"],
    first: int,
) -> Float[np.ndarray, "gain steps"]:
    """What each gain's bands lost more than those as they come, where the price moved by `move` from the median.

    The interval score (Gneiting and Raftery 2007, equation 43) over the width of the raw band, the mean over LEVELS.
    Steps count from `first`, 0 being the next one; a loss counts less where outcomes of several origins overlap.
    """
    beyond = np.maximum(-below - move[:, None], 0) + np.maximum(move[:, None] - above, 0)
    score = below + above + 2 / (1 - LEVELS) * beyond
    by_gain = (score / np.maximum(raw_width, LEAST_WIDTH)).mean(axis=2)
    more = np.clip(by_gain - by_gain[:1], -MOST_LOST, MOST_LOST)
    return np.asarray(more / _late(first + len(move))[first:])


def witnesses(assets: int) -> float:
    """How many assets that move apart would tell as much as these."""
    return assets / (1 + TOGETHER * (assets - 1))


def _late(horizon: int) -> Float[np.ndarray, " horizon"]:
    return np.asarray(np.maximum(np.arange(1.0, horizon + 1) / PROMPT, 1))
