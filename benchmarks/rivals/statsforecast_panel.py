"""The wide panel in statsforecast: GARCH(1,1) and theta of each asset, with its default of one process."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import GARCH, Theta

from rivals.panel import closes
from rivals.recipe import answer

warnings.simplefilter("ignore")


def garch(path: str, rows: int) -> dict[str, Any]:
    """Seconds to fit GARCH(1,1) to the last returns of each asset, in percent."""
    return fit(GARCH(1, 1), [100 * np.diff(np.log(close[-rows - 1 :])) for close in closes(path)])


def theta(path: str, rows: int) -> dict[str, Any]:
    """Seconds to fit the theta method to the last log closes of each asset."""
    return fit(Theta(season_length=1, decomposition_type="additive"), [np.log(close[-rows:]) for close in closes(path)])


def fit(model: GARCH | Theta, of_assets: list[np.ndarray]) -> dict[str, Any]:
    """Seconds to fit it to each asset, after two that compile it."""
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(of_assets)), [len(values) for values in of_assets]),
            "ds": np.concatenate([np.arange(len(values)) for values in of_assets]),
            "y": np.concatenate(of_assets),
        }
    )
    StatsForecast(models=[model], freq=1).fit(frame[frame["unique_id"] < 2])
    began = time.perf_counter()
    StatsForecast(models=[model], freq=1).fit(frame)
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    answer({"garch": garch, "theta": theta})
