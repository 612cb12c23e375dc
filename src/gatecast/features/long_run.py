"""Where a simulated path goes beyond the steps that were measured: volatility to the series' own, drift to none.

A path feeds itself: its next move is drawn in units of a volatility that is measured on its own last moves. Nothing
ties that volatility to a level, so that it wanders as a price does: after a year most paths are too calm, and a few of
a thousand explode. GARCH with variance targeting (Engle and Mezrich 1996) shows the remedy: along a path volatility
returns to the long-run one of the series. Here it returns in logarithms, so that it stays positive and free of scale:
a move drawn in units of sigma is drawn in units of sigma (long run / sigma)^pull. The next sigma follows the move, and
a distance to the long run dies out as that of an AR(1) does. Where it dies out to is what the network draws: moves
that are 1.2 of their unit in the mean settle at 1.2^(1 / pull) long runs. So it is measured along the path how large
moves have been in their unit (`Sizes`), and divided out, until their size is that of the series. A Student-t draws a
move of a hundred usual ones in some path; what would follow it there has never been seen, and so volatility and moves
are bounded as well.

A drift that was learned one day ahead is no evidence of a year's, and ends there: the median stays where it is. So it
does in the random walk without drift that forecasts are judged by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gatecast.features.contract import Day

NEAR = 20  # steps ahead that networks are measured and calibrated on; up to there a path is the network's alone
MOST = float(np.log(4))  # of the logarithm of a path's volatility over the long-run one: what it was in 2008
LARGEST = 20.0  # long-run volatilities in a day's move: what the worst crashes were
HALF_LIFE = 40.0  # steps over which the sizes of moves are measured: as long as the dates of a quarter are apart
FAR = 10.0  # units: a move counts as no larger where sizes are measured, so that one path is not all of them
FADE = 10.0  # steps beyond NEAR in which half of the change of volatility comes: a fan has no kink


def kept(step: int) -> float:
    """The share of its own volatility that a path keeps `step` steps ahead: 1 up to NEAR, then falling to 0.

    >>> kept(20), kept(30), kept(40)
    (1.0, 0.5, 0.25)
    """
    return float(0.5 ** (max(step - NEAR, 0) / FADE))


def without_drift(day: Day, step: int) -> Day:
    """The day beyond the near steps without its drift, in what it drew and in what that was drawn from."""
    return day if step <= NEAR else with_scaled_drift(day, 0.0)


def with_scaled_drift(day: Day, factor: Float[np.ndarray, " row"] | float) -> Day:
    """The day with its drift so many times, in what it drew and in what that was drawn from."""
    if day.drift is None or np.all(factor == 1):
        return day
    more = day.drift * (factor - 1)
    density = None if day.density is None else replace(day.density, location=day.density.location + more)
    return replace(day, value=day.value + more, drift=day.drift + more, density=density)


class Sizes:
    """How large the moves of each start's paths have been of late, in units of what they were drawn in.

    `usual` (start,) is the root mean square that they are held at: more than 1 where the series has heavy tails.
    """

    def __init__(self, usual: Float[np.ndarray, " start"]) -> None:
        self._usual = usual
        self._log = np.zeros(len(usual))

    def learn(self, values: Float[np.ndarray, "start path"], step: int) -> None:
        """Moves that were drawn for `step`, from 1, in units of what they are drawn in."""
        square = np.square(np.clip(values, -FAR, FAR)).mean(axis=1)
        size = np.maximum(np.sqrt(square) / self._usual, 1 / FAR)
        rate = max(1 / step, 1 - 0.5 ** (1 / HALF_LIFE))
        self._log += rate * (np.log(size) - self._log)

    def divisor(self, step: int) -> Float[np.ndarray, " start"]:
        """What the unit of `step` is divided by: 1 up to the near steps, then more and more of the measured size."""
        return np.asarray(np.exp((1 - kept(step)) * self._log))


@dataclass(frozen=True, kw_only=True)
class LongRun:
    """The volatility of a day to which each path returns, and how strongly: `pull` 0 not at all, 1 at once."""

    volatility: Float[np.ndarray, " row"]
    pull: float

    def scale(self, trailing: Float[np.ndarray, " row"], step: int) -> Float[np.ndarray, " row"]:
        """What the move `step` steps ahead is drawn in units of, given the trailing volatility of each path."""
        if step <= NEAR:
            return trailing
        gone = 1 - kept(step)
        ratio = (1 - self.pull * gone) * np.log(trailing / self.volatility)
        return np.asarray(self.volatility * np.exp(np.clip(ratio, -MOST / gone, MOST / gone)))

    def bounded(self, move: Float[np.ndarray, " row"], step: int) -> Float[np.ndarray, " row"]:
        """The log return `step` steps ahead, at most `LARGEST` long-run volatilities beyond the near steps."""
        if step <= NEAR:
            return move
        return np.asarray(np.clip(move, -LARGEST * self.volatility, LARGEST * self.volatility))
