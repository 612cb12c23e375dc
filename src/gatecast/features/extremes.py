"""The high and low of a simulated day: where past days of the same shape had their close between the two.

A network gives a day's return and the size of its range. How far the close lies up that range depends on the return: a
day that rose by its whole range closed at its high. So each simulated day takes the place of the close from a past day
with about the same return in units of its range; gaps over night, where a close-to-close return is larger than the
day's range, enter as they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gatecast.features.contract import RANGE_FLOOR
from gatecast.prices import PriceSeries

DAYS = 500  # of the past from which a close's place is taken: two years of sessions
LEAST = 30  # of them; a history with fewer says too little, and the close lies where its return puts it
NEAR = 0.02  # of the past days on each side of the one with the same return
_PER_SIGMA = float(np.sqrt(4 * np.log(2)))  # ln(high / low) per Parkinson volatility


@dataclass(frozen=True, kw_only=True)
class CloseInRange:
    """Past days by their return over their range, ascending: (day,) each; where the close lay, 0 low to 1 high."""

    ratio: Float[np.ndarray, " day"]
    place: Float[np.ndarray, " day"]

    @classmethod
    def of(cls, series: PriceSeries) -> CloseInRange | None:
        """From the last DAYS days of a series; None where it has no ranges."""
        if series.high is None or series.low is None or not series.has_range:
            return None
        recent = slice(-DAYS, None)
        log_range = np.log(series.high / series.low)[1:][recent]
        moved = log_range > RANGE_FLOOR
        ratio = (np.diff(np.log(series.close))[recent])[moved] / log_range[moved]
        place = np.log(series.close / series.low)[1:][recent][moved] / log_range[moved]
        order = np.argsort(ratio, kind="stable")
        return cls(ratio=ratio[order], place=np.clip(place[order], 0.0, 1.0))

    def extremes(
        self,
        log_return: Float[np.ndarray, "paths horizon"],
        day_range: Float[np.ndarray, "paths horizon"],
        rng: np.random.Generator,
    ) -> tuple[Float[np.ndarray, "paths horizon"], Float[np.ndarray, "paths horizon"]]:
        """How far each day's high lies above its close, and its low below, in logs, both at least 0.

        `log_return` is each day's own, `day_range` its Parkinson volatility.
        """
        log_range = _PER_SIGMA * day_range
        ratio = log_return / log_range
        if len(self.ratio) < LEAST:
            place = np.clip(0.5 + 0.5 * ratio, 0.0, 1.0)
        else:
            near = max(round(NEAR * len(self.ratio)), 1)
            at = np.searchsorted(self.ratio, ratio) + rng.integers(-near, near, size=ratio.shape, endpoint=True)
            place = self.place[np.clip(at, 0, len(self.ratio) - 1)]
        return (1 - place) * log_range, place * log_range
