"""How far down before it comes back: the worst fall from a peak, and the days below one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from gatecast.risk.estimates import Estimate, chance, mean, quantile

QUANTILES = (0.5, 0.75, 0.9, 0.95)  # of the worst fall, over paths


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawdown:
    """The worst fall within the horizon, over paths, as shares of the peak; a fall is positive.

    `worst` are its quantiles, `falls` the chance that it is at least a share. `under_water` is the mean number of steps
    that close below an earlier peak; `still_under` the chance that the last does.
    """

    worst: dict[float, Estimate]
    falls: dict[float, Estimate]
    under_water: Estimate
    still_under: Estimate

    def to_dict(self) -> dict[str, Any]:
        """`{"worst": [{"quantile", "value", "error"}], "falls": [{"fall", "value", "error"}], "under_water": ...}`."""
        return {
            "worst": [{"quantile": q, **estimate.to_dict()} for q, estimate in self.worst.items()],
            "falls": [{"fall": fall, **estimate.to_dict()} for fall, estimate in self.falls.items()],
            "under_water": self.under_water.to_dict(),
            "still_under": self.still_under.to_dict(),
        }


def drawdown(
    relative: Float[np.ndarray, "paths horizon"],
    lows: Float[np.ndarray, "paths horizon"] | None,
    falls: Sequence[float],
) -> Drawdown:
    """The worst falls of values relative to the first; `lows` are those of each step in the same unit, where known."""
    worst = worst_falls(relative, lows)[:, -1]
    under = under_water(relative)
    return Drawdown(
        worst={q: quantile(worst, q) for q in QUANTILES},
        falls={fall: chance(worst >= fall * (1 - 1e-12)) for fall in falls},
        under_water=mean(under.sum(axis=1).astype(np.float64)),
        still_under=chance(under[:, -1]),
    )


def worst_falls(
    relative: Float[np.ndarray, "paths horizon"], lows: Float[np.ndarray, "paths horizon"] | None = None
) -> Float[np.ndarray, "paths horizon"]:
    """The worst fall from a peak up to each step, as a share of that peak; it never shrinks along a path.

    The peak is the highest close before the step, the first value (1) among them; the fall is to the step's low where
    lows are given, else to its close. A day's own high is no peak: whether it came before the low is not known.
    """
    peaks = _peaks(relative)
    return np.maximum.accumulate(1.0 - (relative if lows is None else lows) / peaks, axis=1).clip(min=0.0)


def under_water(relative: Float[np.ndarray, "paths horizon"]) -> Bool[np.ndarray, "paths horizon"]:
    """Whether each step closes below an earlier close, the first value (1) among these."""
    return np.asarray(relative < _peaks(relative) * (1 - 1e-12))


def _peaks(relative: Float[np.ndarray, "paths horizon"]) -> Float[np.ndarray, "paths horizon"]:
    """The highest close before each step."""
    start = np.ones((len(relative), 1))
    return np.asarray(np.maximum.accumulate(np.concatenate([start, relative[:, :-1]], axis=1), axis=1))
