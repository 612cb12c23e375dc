"""The simulated paths of a job, kept so that more can be asked of them without a new simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from gatecast.errors import NotFound
from gatecast.events import Events
from gatecast.files import write_whole
from gatecast.forecast import Forecast, ItemForecast
from gatecast.prices import PriceSeries, PriceTable

FILE = "paths.safetensors"
_STAMP = "datetime64[ns]"
_HISTORY = 2000  # closes of an item that are kept, for a chart and for how many steps make a year


def save_paths(folder: Path, forecast: Forecast, prices: PriceTable) -> None:
    """Write every path, with highs and lows where there are any, and the recent closes; raises `OSError`."""
    about: dict[str, Any] = {"seed": forecast.seed, "joint": forecast.joint, "items": []}
    arrays: dict[str, np.ndarray] = {}
    for number, item in enumerate(forecast):
        series = prices[item.item_id]
        recent = series.rows(max(len(series) - _HISTORY, 0), len(series))
        about["items"].append({"item_id": item.item_id, "last_close": item.last_close, "events": _ahead(series)})
        arrays |= {
            f"{number}.{name}": values
            for name, values in {
                "last": _nanoseconds(item.last_timestamp),
                "timestamps": _nanoseconds(item.timestamps),
                "paths": item.paths,
                "highs": item.highs,
                "lows": item.lows,
                "past": _nanoseconds(recent.timestamps),
                "close": recent.close,
            }.items()
            if values is not None
        }
    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    write_whole(folder / FILE, save(whole, metadata={"about": json.dumps(about)}))


def load_paths(folder: Path) -> tuple[Forecast, PriceTable]:
    """What `save_paths` wrote: the forecast, and the recent closes. Raises `NotFound` where there is nothing."""
    try:
        with safe_open(folder / FILE, "numpy") as file:
            about = json.loads(file.metadata()["about"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
    except FileNotFoundError:
        raise NotFound("the paths of this job are not there. Forecast again.") from None
    items, series = [], []
    for number, item in enumerate(about["items"]):
        own = {name.partition(".")[2]: values for name, values in arrays.items() if name.startswith(f"{number}.")}
        items.append(
            ItemForecast(
                item_id=item["item_id"],
                last_timestamp=own["last"].view(_STAMP)[0],
                last_close=item["last_close"],
                timestamps=own["timestamps"].view(_STAMP),
                paths=own["paths"],
                highs=own.get("highs"),
                lows=own.get("lows"),
            )
        )
        known = own["last"].view(_STAMP)[0]
        events = Events.of_rows((item["item_id"], day, kind, known) for day, kind in item["events"]) or None
        past = own["past"].view(_STAMP)
        series.append(PriceSeries(item_id=item["item_id"], timestamps=past, close=own["close"], events=events))
    forecast = Forecast(items=tuple(items), seed=about["seed"], joint=about["joint"])
    return forecast, PriceTable(series=tuple(series))


def _ahead(series: PriceSeries) -> list[tuple[str, str]]:
    """The date and the kind of each event that was known of the days after the last."""
    if series.events is None:
        return []
    later = series.events.dates > series.timestamps[-1].astype("datetime64[D]")
    return list(zip(series.events.dates[later].astype(str).tolist(), series.events.kinds[later].tolist(), strict=True))


def _nanoseconds(stamps: np.ndarray | np.datetime64) -> np.ndarray:
    """Timestamps as integers, which the file can hold; of one, an array of one."""
    return np.atleast_1d(stamps).astype(_STAMP).view(np.int64)
