"""What a model of the user's may be, and what it may answer: a class with fit and predict, or a function of prices."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatecast.errors import ForeignError
from gatecast.forecast import Density, Forecast, ItemForecast
from gatecast.models.foreign.quantiles import check_items, forecast_from
from gatecast.notes import Note
from gatecast.prices import PriceTable
from gatecast.text import clean, shown


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
    return Forecast(items=tuple(_plain(given[item_id]) for item_id in prices.item_ids), seed=seed, joint=answer.joint)


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


def _plain(item: ItemForecast) -> ItemForecast:
    """The item's arrays and texts in types that every process knows, so that no class of the user's goes with them."""
    density = item.density
    if density is not None:
        loc, scale, df = (np.array(part, dtype=np.float64) for part in (density.loc, density.scale, density.df))
        density = Density(loc=loc, scale=scale, df=df)
    return ItemForecast(
        item_id=str(item.item_id),
        last_timestamp=pd.Timestamp(item.last_timestamp).to_datetime64(),
        last_close=float(item.last_close),
        timestamps=np.array(item.timestamps, dtype="datetime64[ns]"),
        paths=np.array(item.paths, dtype=np.float64),
        density=density,
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
