"""The simulated paths of a job, kept so that more can be asked of them without a new simulation."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from gatecast.errors import NotFound
from gatecast.files import write_whole
from gatecast.forecast import Forecast, ItemForecast
from gatecast.prices import PriceSeries, PriceTable

FILE = "paths.npz"
_HISTORY = 2000  # closes of an item that are kept, for a chart and for how many steps make a year


def save_paths(folder: Path, forecast: Forecast, prices: PriceTable) -> None:
    """Write every path, with highs and lows where there are any, and the recent closes; raises `OSError`."""
    about: dict[str, Any] = {"seed": forecast.seed, "joint": forecast.joint, "items": []}
    arrays: dict[str, np.ndarray] = {}
    for number, item in enumerate(forecast):
        series = prices[item.item_id]
        recent = series.rows(max(len(series) - _HISTORY, 0), len(series))
        about["items"].append({"item_id": item.item_id, "last_close": item.last_close})
        arrays |= {
            f"{number}.{name}": values
            for name, values in {
                "last": np.array([item.last_timestamp], dtype="datetime64[ns]"),
                "timestamps": item.timestamps.astype("datetime64[ns]"),
                "paths": item.paths,
                "highs": item.highs,
                "lows": item.lows,
                "past": recent.timestamps,
                "close": recent.close,
            }.items()
            if values is not None
        }
    content = io.BytesIO()
    np.savez(content, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]
    write_whole(folder / FILE, content.getvalue())


def load_paths(folder: Path) -> tuple[Forecast, PriceTable]:
    """What `save_paths` wrote: the forecast, and the recent closes. Raises `NotFound` where there is nothing."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise NotFound("the paths of this job are not there. Forecast again.") from None
    about = json.loads(arrays.pop("about").tobytes())
    items, series = [], []
    for number, item in enumerate(about["items"]):
        own = {name.partition(".")[2]: values for name, values in arrays.items() if name.startswith(f"{number}.")}
        items.append(
            ItemForecast(
                item_id=item["item_id"],
                last_timestamp=own["last"][0],
                last_close=item["last_close"],
                timestamps=own["timestamps"],
                paths=own["paths"],
                highs=own.get("highs"),
                lows=own.get("lows"),
            )
        )
        series.append(PriceSeries(item_id=item["item_id"], timestamps=own["past"], close=own["close"]))
    forecast = Forecast(items=tuple(items), seed=about["seed"], joint=about["joint"])
    return forecast, PriceTable(series=tuple(series))
