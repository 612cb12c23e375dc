"""What a model of the user's may be, and what it may answer: a class with fit and predict, or a function of prices."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatecast.calendars import future_timestamps
from gatecast.errors import ForeignError
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.models.foreign.quantiles import check_items, forecast_from
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, stamp_text
from gatecast.text import clean, listed, shown


@dataclass(frozen=True)
class FunctionModel:
    """A function from the closes of an item to quantiles or a point forecast, called once for each item.

    `function(prices, horizon)`: `prices` is a pandas Series of closes, its index their timestamps; the answer is
    {level: (horizon,) prices}, or (horizon,) prices as a point forecast.
    """

    function: Callable[[pd.Series, int], Any]

    def fit(self, prices: PriceTable) -> FunctionModel:
        """Nothing is learned before the forecast; returns self."""
        return self

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The function's answer for each item, as paths."""
        answers = {
            series.item_id: self.function(
                pd.Series(series.close.copy(), index=pd.DatetimeIndex(series.timestamps), name=series.item_id), horizon
            )
            for series in prices
        }
        return forecast_from(prices, horizon, answers, paths=paths, seed=seed)


def as_model(thing: Any, argument: str | None) -> Any:
    """A model of a class, an object with fit and predict, or a function; raises `ForeignError` for other things."""
    if isinstance(thing, type):
        thing = thing(argument) if argument else thing()
    if callable(getattr(thing, "fit", None)) and callable(getattr(thing, "predict", None)):
        return thing
    if callable(thing):
        return FunctionModel(thing)
    raise ForeignError(f"a model has fit and predict, or is a function; got a {type(thing).__name__}. Name another.")


def predicted(model: Any, prices: PriceTable, horizon: int, *, paths: int, seed: int) -> Forecast:
    """What `model.predict` answers, checked and made of plain arrays: a Forecast, or {item_id: quantiles or points}."""
    answer = model.predict(prices, horizon, paths=paths, seed=seed)
    if isinstance(answer, Mapping):
        return forecast_from(prices, horizon, answer, paths=paths, seed=seed)
    if not isinstance(answer, Forecast):
        kind = type(answer).__name__
        raise ForeignError(f"predict answers a Forecast or {{item: quantiles}}; got {kind}. Correct its predict.")
    given = {item.item_id: item for item in answer}
    check_items(prices, [item.item_id for item in answer])
    for item in answer:
        _check_paths(item, horizon)
        series = prices[item.item_id]
        _check_days(item, series.timestamps[-1], future_timestamps(series, horizon, prices.calendar))
        _check_density(item)
    counts = {len(item.paths) for item in answer}
    if len(counts) > 1:
        raise ForeignError(
            f"every item has as many paths; got {listed(list(map(str, sorted(counts))))}. Simulate as many as are "
            "asked for."
        )
    items = tuple(_plain(given[series.item_id], series) for series in prices)
    return Forecast(items=items, seed=seed, joint=answer.joint)


def _check_paths(item: ItemForecast, horizon: int) -> None:
    paths = np.asarray(item.paths)
    where = f"forecast of {shown(item.item_id)}"
    if paths.ndim != 2 or paths.shape[1] != horizon or len(paths) < 2:
        raise ForeignError(
            f"{where}: paths are (paths, {horizon}), two or more; got an array of shape {paths.shape}. Correct predict."
        )
    wrong = ~(np.isfinite(paths) & (paths > 0))
    if wrong.any():
        path, step = np.argwhere(wrong)[0]
        raise ForeignError(
            f"{where}: prices are finite and positive; path {path} is {paths[path, step]:g} at step {step + 1}. "
            "Correct it."
        )


def _check_days(item: ItemForecast, last: np.datetime64, future: np.ndarray) -> None:
    """Refuse timestamps that are none, or far from those of the steps; holidays may move them by some days.

    A month may be stamped by its first day or its last.
    """
    try:
        stamps = np.array(item.timestamps, dtype="datetime64[ns]")
    except (TypeError, ValueError):
        stamps = future[:0]
    where = f"forecast of {shown(item.item_id)}"
    if stamps.shape != future.shape:
        raise ForeignError(f"{where}: {len(future)} steps have a timestamp each; got {stamps.shape}. Correct predict.")
    room = (future[-1] - future[0]) / 4 + max(np.timedelta64(10, "D"), 1.5 * (future[0] - last))
    wrong = ~(np.abs(stamps - future) <= room)  # NaT is wrong, too
    if wrong.any():
        step = int(wrong.argmax())
        raise ForeignError(
            f"{where}: step {step + 1} is {stamp_text(future[step])}; its timestamp is {stamp_text(stamps[step])}. "
            "Correct predict."
        )


def _check_density(item: ItemForecast) -> None:
    if item.density is None:
        return
    loc, scale, df = (np.asarray(part, dtype=np.float64) for part in vars(item.density).values())
    shape = np.shape(item.paths)
    alike = loc.shape == scale.shape == df.shape == shape
    if not alike or not (np.isfinite(loc).all() and np.isfinite(scale).all() and (scale > 0).all() and (df > 0).all()):
        raise ForeignError(
            f"forecast of {shown(item.item_id)}: a density has finite locations, scales above 0 and degrees of freedom "
            f"of shape {shape}. Correct it, or answer without one."
        )


def _plain(item: ItemForecast, series: PriceSeries) -> ItemForecast:
    """The item's arrays and texts in types that every process knows, so that no class of the user's goes with them.

    Its last row is that of the prices. A share of sampling error that cannot be is left out.
    """
    noise = None if item.noise is None else np.array(item.noise, dtype=np.float64)
    if noise is not None and (noise.shape != np.shape(item.paths)[1:] or not np.isfinite(noise).all()):
        noise = None
    density = item.density
    if density is not None:
        loc, scale, df = (np.array(part, dtype=np.float64) for part in (density.loc, density.scale, density.df))
        density = Density(loc=loc, scale=scale, df=df)
    return ItemForecast(
        item_id=str(item.item_id),
        last_timestamp=series.timestamps[-1],
        last_close=float(series.close[-1]),
        timestamps=np.array(item.timestamps, dtype="datetime64[ns]"),
        paths=np.array(item.paths, dtype=np.float64),
        density=density,
        noise=None if noise is None else np.clip(noise, 0.0, 1.0),
        notes=tuple(Note(note.kind, clean(note.text), tuple(map(str, note.items))) for note in item.notes),
    )


def failure(error: BaseException, what: str, file: str) -> str:
    """One line of what a model's `fit` or `predict` raised, with the line of its file where that is known."""
    if isinstance(error, ForeignError):
        return str(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if file and frame.filename == file]
    place = f" (line {lines[-1]})" if lines else ""
    try:
        text = clean(" ".join(str(error).split()), 160)
    except Exception:  # its own message fails
        text = ""
    return f"its {what} raised {type(error).__name__}{f': {text}' if text else ''}{place}. Correct it."
