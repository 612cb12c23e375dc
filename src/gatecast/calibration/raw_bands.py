"""The bands of raw forecasts from one origin: all that calibration keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gatecast.forecast import Forecast, ItemForecast

LEVELS = np.array([0.2, 0.4, 0.5, 0.6, 0.8, 0.9, 0.95, 0.98])
PROBABILITIES = np.concatenate([(1 - LEVELS[::-1]) / 2, [0.5], (1 + LEVELS) / 2])
NINETY = int(np.searchsorted(LEVELS, 0.9))  # the place of the 90% band
MOST_PATHS = 1_000_000  # that a file may claim
LEAST_WIDTH = 1e-12  # of a log return: a constant price has bands without width, and lies inside them


@dataclass(frozen=True, kw_only=True, eq=False)
class RawBands:
    """Bands as the model gave them, in log returns since each item's last close.

    `middle` is the median, `below` and `above` are how far from it the band of each of LEVELS reaches; `log_width` is
    the median over items of the log width of the 90% band. `last` has each item's last timestamp. They are read from so
    many `paths`.
    """

    item_ids: tuple[str, ...]
    last: np.ndarray
    middle: Float[np.ndarray, "item step"]
    below: Float[np.ndarray, "item step level"]
    above: Float[np.ndarray, "item step level"]
    log_width: Float[np.ndarray, " step"]
    paths: int

    @classmethod
    def of(cls, forecast: Forecast, steps: int) -> RawBands:
        """Those of the first `steps` steps of a forecast.

        Quantiles at rank p (P + 1): few paths then cover no less than many do.
        """
        quantiles = [
            np.quantile(item.log_returns()[:, :steps], PROBABILITIES, axis=0, method="weibull").T for item in forecast
        ]
        by_item, count = np.stack(quantiles), len(LEVELS)
        middle = by_item[..., count]
        return cls(
            item_ids=tuple(item.item_id for item in forecast),
            last=np.array([item.last_timestamp for item in forecast], dtype="datetime64[ns]"),
            middle=middle,
            below=middle[..., None] - by_item[..., :count][..., ::-1],
            above=by_item[..., count + 1 :] - middle[..., None],
            log_width=log_width(forecast, steps),
            paths=forecast.n_paths,
        )

    @property
    def steps(self) -> int:
        """Number of steps ahead."""
        return int(self.middle.shape[1])

    def first(self, steps: int) -> RawBands:
        """Those of the first steps."""
        rows = slice(steps)
        return replace(
            self,
            middle=self.middle[:, rows],
            below=self.below[:, rows],
            above=self.above[:, rows],
            log_width=self.log_width[rows],
        )


def log_width(forecast: Forecast, steps: int) -> Float[np.ndarray, " steps"]:
    """The median over items of the log width of the raw 90% band."""
    return np.asarray(np.median([_log_width(item, steps) for item in forecast], axis=0))


def _log_width(item: ItemForecast, steps: int) -> Float[np.ndarray, " steps"]:
    low, high = (1 - LEVELS[NINETY]) / 2, (1 + LEVELS[NINETY]) / 2
    bottom, top = np.quantile(item.log_returns()[:, :steps], [low, high], axis=0)
    return np.asarray(np.log(np.maximum(top - bottom, LEAST_WIDTH)))
