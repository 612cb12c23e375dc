"""Two targets with something to learn: tomorrow's log range of the S&P 500, next hour's of EURUSD.

Eight columns, each from a row and those before it, scaled by the training rows alone; the same for every model.
A reported run uses the last windows of a file; settings of ours were chosen on as many windows before those.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rivals.recipe import CONTEXT, windows_of

VALIDATION = 0.1
SLOWEST = 66  # rows of the slowest average
LAGS = 22  # of the autoregression: a month of days, a day of hours
LEAST_RANGE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Target:
    """A file, and the rows after which its season comes round: a week of days, a day of hours."""

    file: str
    season: int


TARGETS = {
    "sp500_range": Target(file="daily/sp500_index_ohlcv_1999_2018.csv", season=5),
    "eurusd_range": Target(file="intraday/eurusd_hourly_ohlcv_2017.csv.gz", season=24),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """Scaled features (row, 8) and targets (row,): the target of a row is the log range of the next."""

    features: np.ndarray
    target: np.ndarray
    log_range: np.ndarray  # of the row itself, in the target's scale

    def write(self, path: Path) -> None:
        """One file for every model."""
        windows, targets = windows_of(self.features, self.target)
        np.savez(
            path,
            features=self.features,
            target=self.target,
            windows=windows,
            targets=targets[:, 0],
            validation=VALIDATION,
        )

    @property
    def trained(self) -> int:
        """Targets that are learned from: Keras takes the first 90% of the windows."""
        return int((len(self.target) - CONTEXT + 1) * (1 - VALIDATION))

    def simple(self) -> dict[str, float]:
        """Validation loss of the last value, the mean, and an autoregression fitted to the training rows."""
        first = CONTEXT - 1 + self.trained
        known, wanted = slice(CONTEXT - 1, first), slice(first, None)
        lagged = np.column_stack(
            [
                np.ones(len(self.log_range)),
                *(pd.Series(self.log_range).shift(lag).fillna(0.0).to_numpy(np.float64) for lag in range(LAGS)),
            ]
        )
        weights = np.linalg.lstsq(lagged[known], self.target[known], rcond=None)[0]
        return {
            "last_value": huber(self.target[wanted] - self.log_range[wanted]),
            "mean": huber(self.target[wanted] - self.target[known].mean()),
            "autoregression": huber(self.target[wanted] - lagged[wanted] @ weights),
        }


def make(data: Path, name: str, windows: int, *, earlier: bool = False) -> Task:
    """The task on the last `windows` windows of its file, or on those before them."""
    columns, log_range = columns_of(pd.read_csv(data / TARGETS[name].file), TARGETS[name].season)
    features, target = columns[:-1], log_range[1:]
    end = len(target) - (windows if earlier else 0)
    start = end - (windows + CONTEXT - 1)
    if start < SLOWEST:
        raise SystemExit(f"{TARGETS[name].file} has too few rows for {windows} windows.")
    features, target, own = features[start:end], target[start:end], log_range[start:end]
    known = slice(0, CONTEXT - 1 + int(windows * (1 - VALIDATION)))
    mean, std = target[known].mean(), target[known].std()
    scaled = (features - features[known].mean(axis=0)) / features[known].std(axis=0)
    return Task(
        features=scaled.astype(np.float32),
        target=((target - mean) / std).astype(np.float32),
        log_range=(own - mean) / std,
    )


def columns_of(prices: pd.DataFrame, season: int) -> tuple[np.ndarray, np.ndarray]:
    """The eight columns (row, 8) and the log range of each row."""
    log_range = np.log(np.log(prices["high"] / prices["low"]).clip(lower=LEAST_RANGE))
    move, volume = np.log(prices["close"]).diff(), np.log1p(prices["volume"])
    columns = {
        "log_range": log_range,
        "move": move,
        "size_of_move": move.abs(),
        "volume": volume - volume.rolling(20).mean(),
        "fast_range": log_range.ewm(span=5).mean(),
        "range": log_range.ewm(span=22).mean(),
        "slow_range": log_range.ewm(span=SLOWEST).mean(),
        "seasonal_range": log_range.shift(season - 1),  # a season before the row that is predicted
    }
    return pd.DataFrame(columns).fillna(0.0).to_numpy(), log_range.to_numpy()


def huber(error: np.ndarray) -> float:
    """The mean Huber loss, delta 1."""
    size = np.abs(error)
    return float(np.where(size <= 1, 0.5 * size**2, size - 0.5).mean())
