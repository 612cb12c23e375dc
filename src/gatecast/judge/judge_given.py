"""Forecasts that were made elsewhere against rivals at the same cutoffs: scores, tests and verdict as of any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gatecast.errors import ForeignError, TooFewRows
from gatecast.executors import Engine
from gatecast.forecast import QUANTILES, Forecast, ItemForecast
from gatecast.judge.fold_store import Fold, Key
from gatecast.judge.given import GivenForecasts
from gatecast.judge.metrics import crps_sorted
from gatecast.judge.plan import YEAR_OF_SESSIONS, WalkForward
from gatecast.judge.report import Report, report_of
from gatecast.judge.scores import Rows, join_rows, score_forecast
from gatecast.judge.walkforward import PATHS, Progress, engine_of, names_of, run_folds
from gatecast.model import Model
from gatecast.models.foreign.quantiles import ordered_prices
from gatecast.notes import Note
from gatecast.prices import PriceTable
from gatecast.text import counted, listed, shown

_PATHS = 10_000  # of a given forecast; its quantiles are exact, and its CRPS to a part in so many
_TRIPLE = ["item_id", "cutoff", "step"]


def judge_given(
    given: GivenForecasts,
    models: Sequence[Model],
    prices: PriceTable,
    *,
    span: int | None = None,
    refit: int = 1,
    paths: int = PATHS,
    seed: int = 0,
    jobs: int = 1,
    engine: Engine | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge given forecasts beside `models`, which forecast from the same cutoffs; the verdict is on the first given.

    Every model is judged on the items, cutoffs and steps that all of the file's models have. Where the file's levels
    are among `forecast.QUANTILES`, the CRPS of a rival is of its quantiles at these levels, too: a file that holds a
    rival's own forecasts ties with it. Arguments as in
    `walkforward.backtest`. Raises `UsageError`, `TooFewRows`, `ForeignError`.
    """
    everything = prices.select(tuple(item_id for item_id in prices.item_ids if item_id in set(given.rows["item_id"])))
    longest = max(len(series) for series in everything)
    min_rows = min(YEAR_OF_SESSIONS, max(longest // 2, 2))
    judged = _shared(given, everything, min_rows)
    cutoffs = np.unique(judged["cutoff"].to_numpy())
    size = refit or len(cutoffs)
    groups = tuple(tuple(cutoffs[at : at + size]) for at in range(0, len(cutoffs), size))
    horizon = int(judged["step"].max())
    walk = WalkForward(horizon=horizon, groups=groups, min_rows=min_rows, span=span)
    names = [*given.models, *(names_of(models) if models else [])]
    folds = _given_folds(given, judged, everything, walk)
    if models:
        folder = None if store is None else Path(store)
        rivals = run_folds(
            models,
            everything,
            walk,
            paths=paths,
            seed=seed,
            folder=folder,
            engine=engine_of(jobs, engine),
            progress=progress,
        )
        folds |= {key: replace(fold, rows=_reduced(fold.rows, given.levels)) for key, fold in rivals.items()}
    notes = [*given.notes, *_left_out(given, judged)]
    return report_of(names, walk, folds, everything, notes=notes, judged=judged)


def _shared(given: GivenForecasts, prices: PriceTable, min_rows: int) -> pd.DataFrame:
    """The items, cutoffs and steps that all models of the file have, where the prices have rows enough around them."""
    counts = given.rows.groupby(_TRIPLE, as_index=False).size()
    shared = counts[counts["size"] == len(given.models)].drop(columns="size")
    before, after = np.zeros((2, len(shared)), dtype=np.int64)  # rows of the item at or before the cutoff, and after it
    for series in prices:
        places = np.flatnonzero(shared["item_id"] == series.item_id)
        before[places] = np.searchsorted(series.timestamps, shared["cutoff"].to_numpy()[places], side="right")
        after[places] = len(series) - before[places]
    if not len(shared):
        raise ForeignError(
            f"models are compared where each has a forecast; {listed([shown(of) for of in given.models])} have none in "
            "common. Give a file of each."
        )
    enough = (before >= min_rows) & (after >= shared["step"].max())
    if not enough.any():
        raise TooFewRows(
            f"a forecast is judged with {min_rows} rows before its cutoff and {given.horizon} after it; none of the "
            "file's is, for all its models. Give more history, or later forecasts."
        )
    judged: pd.DataFrame = shared[enough].reset_index(drop=True)
    return judged


def _left_out(given: GivenForecasts, judged: pd.DataFrame) -> list[Note]:
    """A note where not every forecast is judged."""
    lost = len(given.rows) - len(judged) * len(given.models)
    text = (
        f"{lost} of {counted(len(given.rows), 'forecast')} of the file are left out: another of its models lacks them, "
        "or the prices have too few rows before their cutoff or after it"
    )
    return [Note("test", text)] if lost else []


def _reduced(rows: Rows, levels: tuple[float, ...]) -> Rows:
    """A rival's rows with the CRPS of its quantiles at these levels, made paths as those of the file are."""
    names = [name for level in levels for name, stored in QUANTILES.items() if np.isclose(level, stored)]
    if not rows or len(levels) < 2 or len(names) < len(levels):
        return rows
    values = np.stack([rows[name] for name in names])
    moves = np.log(ordered_prices(np.array(levels), values, _PATHS).T / rows["last_close"][:, None])  # (rows, P)
    return {**rows, "crps": crps_sorted(moves, np.log(rows["actual"] / rows["last_close"]))}


def _given_folds(given: GivenForecasts, judged: pd.DataFrame, prices: PriceTable, walk: WalkForward) -> dict[Key, Fold]:
    """The file's forecasts of the judged steps, scored, by model and cutoff."""
    kept = given.rows.merge(judged, on=_TRIPLE)
    parts: dict[Key, list[Rows]] = {(name, cutoff): [] for name in given.models for cutoff in walk.cutoffs}
    for (name, cutoff, item_id), rows in kept.groupby(["model", "cutoff", "item_id"], sort=False):
        stamp = np.datetime64(str(cutoff), "ns")
        parts[str(name), stamp].append(_scored(rows, given.levels, prices.select((str(item_id),)), stamp, walk))
    return {key: Fold(join_rows(scored)) for key, scored in parts.items()}


def _scored(
    rows: pd.DataFrame, levels: tuple[float, ...], prices: PriceTable, cutoff: np.datetime64, walk: WalkForward
) -> Rows:
    """One model's forecast of one item from a cutoff; the steps between those given are scored, and dropped."""
    seen = walk.visible(prices, cutoff)
    (series,) = seen.series
    steps = rows["step"].to_numpy()
    values = np.full((len(levels), walk.horizon), series.close[-1])
    values[:, steps - 1] = rows[list(levels)].to_numpy().T
    simulated = ordered_prices(np.array(levels), values, _PATHS)
    item = ItemForecast(
        item_id=series.item_id,
        last_timestamp=series.timestamps[-1],
        last_close=float(series.close[-1]),
        timestamps=np.zeros(walk.horizon, dtype="datetime64[ns]"),  # those of the prices count
        paths=simulated,
    )
    forecast = Forecast(items=(item,), seed=0)
    scored = score_forecast(forecast, seen, prices, cutoff=cutoff, horizon=walk.horizon)
    here = np.isin(scored["step"], steps)
    return {name: column[here] for name, column in scored.items()}
