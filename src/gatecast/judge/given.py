"""Forecasts that were made elsewhere, from a file: read, and refused where they break a rule or show look-ahead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gatecast.errors import ForeignError, check_path
from gatecast.judge.scores import COLUMNS
from gatecast.models.foreign.quantiles import POINT, check_quantiles, level_of
from gatecast.notes import Note
from gatecast.prices import PriceTable, stamp_text
from gatecast.text import clean, counted, listed, shown

_ITEM, _CUTOFF, _DATE = ("item_id", "item", "asset", "symbol", "ticker"), ("cutoff", "origin"), ("timestamp", "date")
_POINTS = ("point", "forecast", "prediction", "median", "mean", "close", "price", "yhat")
_YEARS = (1700, 2200)  # that timestamps of prices can hold
_KEY = ["model", "item_id", "cutoff", "timestamp"]


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenForecasts:
    """Forecasts of one or more models, checked against the prices they are of.

    `rows`: a row a model, item, cutoff and step: `model, item_id, cutoff, timestamp, step` and a column a level of
    `levels`, which ascend; prices. A point forecast is the level 0.5 alone. `notes` say what was left out.
    """

    rows: pd.DataFrame
    levels: tuple[float, ...]
    notes: tuple[Note, ...]

    @property
    def models(self) -> list[str]:
        """The names under which they are judged, in their order."""
        return [str(name) for name in self.rows["model"].unique()]

    @property
    def horizon(self) -> int:
        """The most steps ahead."""
        return int(self.rows["step"].max())


def read_given(path: str | Path, prices: PriceTable) -> GivenForecasts:
    """The forecasts of a Parquet or CSV file, held against the rows of `prices`.

    Columns: those that `gatecast backtest --forecasts` writes (`scores.COLUMNS`), or `cutoff`, `timestamp`, `item`
    where there are several, and either quantiles (`q05`, `0.05`) or one column of points. Of the former's columns only
    keys and quantiles are taken: scores are computed anew. A model is named after the file, and after its column
    `model` where it has one.

    Raises `ForeignError` for what is no such file; for a date at or before its cutoff, or a cutoff that is no row of
    the prices (look-ahead, or another history); for values that are not finite, not positive or cross; for a forecast
    given twice. Dates that are no rows of the prices, and unknown items, are left out with a note.
    """
    check_path("judge", path)
    path = Path(path)
    frame = _frame(path)
    rows = _keys(frame, path, prices)
    found: dict[float, str] = {}
    for column in frame.columns:
        if (level := level_of(column)) is not None and found.setdefault(level, column) != column:
            raise ForeignError(
                f"a level has one column; {shown(found[level])} and {shown(column)} are of the same. Drop one."
            )
    if not found:
        found = {POINT: _point_column(frame)}
    levels = tuple(sorted(found))
    for level in levels:
        rows[level] = pd.to_numeric(frame[found[level]], errors="coerce").to_numpy(dtype=np.float64)
    _refuse(rows, rows["timestamp"] <= rows["cutoff"], _look_ahead)
    _refuse(
        rows, rows.duplicated(_KEY), lambda row: f"a forecast is given once; {_words(row)} is given twice. Drop one."
    )
    rows, notes = _steps(rows, prices)
    _check_values(rows, levels)
    return GivenForecasts(rows=rows, levels=levels, notes=notes)


def _frame(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ForeignError(f"forecasts are a Parquet or CSV file; there is no file {shown(path)}. Check the path.")
    try:
        parquet = path.suffix.lower() in (".parquet", ".pq")
        frame = pd.read_parquet(path) if parquet else _csv(path)
    except (OSError, ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else clean(error, 80)
        raise ForeignError(f"forecasts are a Parquet or CSV file; {shown(path)} is not ({reason}). Check it.") from None
    frame.columns = [clean(name) for name in frame.columns]
    if frame.empty:
        raise ForeignError(f"a file of forecasts has rows; {shown(path)} has none. Give another.")
    return frame


def _csv(path: Path) -> pd.DataFrame:
    """Names of items and models are texts as they stand: 0005 is no number, and NA is one of them."""
    header = pd.read_csv(path, nrows=0).columns
    named = [name for name in header if clean(name).lower() in {"model", *_ITEM}]
    texts = pd.read_csv(path, usecols=named, dtype=str, keep_default_na=False) if named else pd.DataFrame()
    return pd.read_csv(path).assign(**{name: texts[name] for name in named})


def _column(frame: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """The first column of the frame that has one of these names, in either case."""
    lower = {str(column).lower(): str(column) for column in reversed(list(frame.columns))}
    return next((lower[name] for name in names if name in lower), None)


def _keys(frame: pd.DataFrame, path: Path, prices: PriceTable) -> pd.DataFrame:
    """The model, item, cutoff and timestamp of each row."""
    stem = clean(path.stem)
    model, item = _column(frame, ("model",)), _column(frame, _ITEM)
    if item is None and len(prices) > 1:
        raise ForeignError(
            f"forecasts of {counted(len(prices), 'item')} name theirs in a column item; the columns are "
            f"{listed(list(frame.columns), 8)}. Add it."
        )
    if model is not None:
        blank = np.flatnonzero([pd.isna(name) or not str(name).strip() for name in frame[model]])
        if len(blank):
            raise ForeignError(f"a forecast names its model; row {blank[0] + 1} has none. Fill it, or drop the column.")
    only = prices.item_ids[0]
    keys = {
        "model": stem if model is None else [f"{stem}:{clean(name)}" for name in frame[model]],
        "item_id": only if item is None else frame[item].astype(str).to_numpy(dtype=object),
        "cutoff": _dates(frame, _CUTOFF),
        "timestamp": _dates(frame, _DATE),
    }
    return pd.DataFrame(keys, index=range(len(frame)))


def _dates(frame: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    column = _column(frame, names)
    if column is None:
        has = listed(list(frame.columns), 8)
        raise ForeignError(f"forecasts have a column {names[0]}; the columns are {has}. Add it.")
    given = frame[column]
    if pd.api.types.is_numeric_dtype(given):
        given = given.map(lambda value: f"{value:.0f}")  # 20240131
    try:
        dates = pd.to_datetime(given, errors="coerce")
    except ValueError:
        raise ForeignError(
            f"{column} holds dates of one time zone; these have several offsets. Write them as the prices have them, "
            "without an offset."
        ) from None
    wrong = np.flatnonzero(dates.isna())
    if len(wrong) or not pd.api.types.is_datetime64_any_dtype(dates):
        row = int(wrong[0]) if len(wrong) else 0
        text = shown(frame[column].iloc[row])
        raise ForeignError(f"{column} holds dates; row {row + 1} has {text}. Write dates as 2024-01-31.")
    if dates.dt.tz is not None:
        if str(dates.dt.tz) != "UTC":
            raise ForeignError(
                f"{column} holds dates as the prices have them, without a time zone; row 1 has "
                f"{shown(frame[column].iloc[0])}. Write the exchange's own time."
            )
        dates = dates.dt.tz_localize(None)
    outside = np.flatnonzero((dates.dt.year < _YEARS[0]) | (dates.dt.year > _YEARS[1]))
    if len(outside):
        row = int(outside[0])
        text = shown(frame[column].iloc[row])
        raise ForeignError(f"{column} holds dates of the prices; row {row + 1} has {text}. Write dates as 2024-01-31.")
    return dates.to_numpy(dtype="datetime64[ns]")


def _point_column(frame: pd.DataFrame) -> str:
    """The only column that may be a point forecast; raises `ForeignError` where there is none, or several."""
    known = {*COLUMNS, *_ITEM, *_CUTOFF, *_DATE} - set(_POINTS)
    others = [column for column in frame.columns if str(column).lower() not in known]
    named = [column for column in others if str(column).lower() in _POINTS]
    candidates = named if len(named) == 1 else others
    if len(candidates) != 1:
        raise ForeignError(
            "forecasts have columns of quantiles, as q05 or 0.05, or one column of points; the columns are "
            f"{listed(list(frame.columns), 8)}. Name the column of points 'point'."
        )
    return str(candidates[0])


def _words(row: pd.Series) -> str:
    cutoff, stamp = (stamp_text(row[name].to_datetime64()) for name in ("cutoff", "timestamp"))
    return f"{shown(row['item_id'])} from {cutoff} for {stamp}"


def _look_ahead(row: pd.Series) -> str:
    return f"a forecast is of a day after its cutoff; {_words(row)} is not: it may know the price. Correct its dates."


def _refuse(rows: pd.DataFrame, wrong: pd.Series | np.ndarray, line: Callable[[pd.Series], str]) -> None:
    """Raise the line on the first row that is wrong."""
    places = np.flatnonzero(np.asarray(wrong))
    if len(places):
        raise ForeignError(line(rows.iloc[int(places[0])]))


def _steps(rows: pd.DataFrame, prices: PriceTable) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """The rows whose item and date the prices have, with their steps; and notes on the others."""
    calendar = np.unique(np.concatenate([series.timestamps for series in prices]))
    _refuse(
        rows,
        ~np.isin(rows["cutoff"].to_numpy(), calendar),
        lambda row: (
            f"a cutoff is a row of the prices, {stamp_text(calendar[0])} to {stamp_text(calendar[-1])}; that of "
            f"{_words(row)} is none. Give the prices that the forecasts were made from."
        ),
    )
    steps = np.zeros(len(rows), dtype=np.int64)  # 0: no such row
    for item_id, places in rows.groupby("item_id", sort=False).indices.items():
        if item_id in prices.item_ids:
            stamps = prices[str(item_id)].timestamps
            dates = rows["timestamp"].to_numpy()[places]
            before = np.searchsorted(stamps, rows["cutoff"].to_numpy()[places], side="right")
            at = np.searchsorted(stamps, dates)
            there = np.isin(dates, stamps) & (before > 0)
            steps[places] = np.where(there, at - before + 1, 0)
    notes = []
    known = rows["item_id"].isin(prices.item_ids).to_numpy()
    if not known.all():
        strangers = listed([shown(name) for name in rows["item_id"][~known].unique()])
        notes.append(Note("test", f"forecasts of items that the prices do not have are left out: {strangers}"))
    if lost := int(((steps == 0) & known).sum()):
        first = stamp_text(rows["timestamp"].to_numpy()[(steps == 0) & known].min())
        text = f"{lost} of {counted(len(rows), 'forecast')} are left out: the prices have no row at their date"
        notes.append(Note("test", f"{text}, such as {first}"))
    if not (steps > 0).any():
        raise ForeignError("no forecast of the file is of an item and a day that the prices have. Give other prices.")
    return rows.assign(step=steps)[steps > 0].reset_index(drop=True), tuple(notes)


def _check_values(rows: pd.DataFrame, levels: tuple[float, ...]) -> None:
    values = rows[list(levels)].to_numpy()  # (rows, levels)
    wrong = ~(np.isfinite(values) & (values > 0)).all(axis=1)
    wrong |= (values[:, 1:] < values[:, :-1] * (1 - 1e-9)).any(axis=1)
    row = int(np.argmax(wrong))  # the first that is wrong, if any
    where = f"forecast of {_words(rows.iloc[row])}"
    check_quantiles(np.array(levels), values[row][:, None], where, step=int(rows["step"].iloc[row]))
