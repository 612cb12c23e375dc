"""Forecasts against observed prices: a row for each model, item, cutoff and step; and the table of scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float

from gatecast.errors import GatecastError
from gatecast.forecast import BANDS, QUANTILES, Forecast, ItemForecast
from gatecast.judge import metrics
from gatecast.prices import PriceSeries, PriceTable

COLUMNS = (
    *("model", "item_id", "cutoff", "step", "timestamp", "last_close", "actual"),
    *QUANTILES,
    "log_score",
    "crps",  # exact, from the paths; of the log return from the last close
    "pit",  # share of paths below the actual
    "mean",  # of the paths; price units
    "naive_scale",  # the denominator of MASE, from rows at or before the cutoff; price units
)
_LEVELS = np.array(list(QUANTILES.values()))

Rows = dict[str, np.ndarray]


def score_forecast(
    forecast: Forecast, seen: PriceTable, prices: PriceTable, *, cutoff: np.datetime64, horizon: int
) -> Rows:
    """Hold a forecast made at `cutoff` from `seen` against `prices`: columns of equal length, no `model`.

    Items that have fewer than `horizon` rows after the cutoff are left out. CRPS and log score (nats, larger
    is better) are of the log return from the last close; quantiles and mean are prices. `log_score` is NaN
    where the model has no density. Raises `GatecastError` where the forecast breaks the models' contract.
    """
    items = {item.item_id: item for item in forecast}
    parts: list[Rows] = []
    for series in seen:
        full = prices[series.item_id]
        after = int(np.searchsorted(full.timestamps, cutoff, side="right"))
        if after + horizon > len(full):
            continue
        rows = slice(after, after + horizon)
        parts.append(
            {
                "item_id": np.full(horizon, series.item_id, dtype=object),
                "cutoff": np.full(horizon, cutoff),
                "step": np.arange(1, horizon + 1),
                "timestamp": full.timestamps[rows],
                **_score_item(items.get(series.item_id), series, full.close[rows]),
            }
        )
    return join_rows(parts)


def _score_item(item: ItemForecast | None, seen: PriceSeries, actual: Float[np.ndarray, " horizon"]) -> Rows:
    if item is None:
        raise GatecastError(f"a model must forecast every item; '{seen.item_id}' is missing. Mend its predict.")
    paths, horizon, last_close = item.paths, len(actual), float(seen.close[-1])
    if paths.ndim != 2 or paths.shape[1] != horizon or not (np.isfinite(paths).all() and (paths > 0).all()):
        raise GatecastError(
            f"paths must be finite positive prices, {horizon} steps each; those of '{seen.item_id}' are not. "
            "Mend the model's predict."
        )
    ordered = np.sort(np.ascontiguousarray(paths.T), axis=1)  # (H, P)
    move = np.log(actual / last_close)
    quantiles = metrics.quantile_sorted(ordered, _LEVELS)
    return {
        "last_close": np.full(horizon, last_close),
        "actual": actual,
        **dict(zip(QUANTILES, quantiles.T, strict=True)),
        "log_score": np.full(horizon, np.nan) if item.density is None else item.density.log_pdf(move),
        "crps": metrics.crps_sorted(
            np.log(ordered / last_close), move, noise=1.0 if item.noise is None else item.noise
        ),
        "pit": metrics.pit_sorted(ordered, actual),
        "mean": ordered.mean(axis=1),
        "naive_scale": np.full(horizon, metrics.naive_scale(seen.close)),
    }


def join_rows(parts: list[Rows]) -> Rows:
    """The columns of many parts as a single set, in their order; no columns where there are no parts."""
    parts = [part for part in parts if part]
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}


def by_step(rows: pd.DataFrame) -> Iterator[tuple[str | int, pd.DataFrame]]:
    """All rows under "all", then those of each step."""
    yield "all", rows
    for step in np.unique(rows["step"]).tolist():
        yield step, rows[rows["step"] == step]


def held(rows: pd.DataFrame, level: int) -> np.ndarray:
    """Whether each actual lies in the band of so many per cent."""
    low, high = BANDS[level]
    return metrics.inside(rows[low].to_numpy(), rows[high].to_numpy(), rows["actual"].to_numpy())


def score_table(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Scores by model, over all steps ("all") and by step.

    Every row counts once, so that a cutoff with more items weighs more; tests and verdict count every cutoff
    once. `mae`, `rmse`: price units, of the median and the mean. `mase`: of the median, against the one-step
    error of "tomorrow is today" before the cutoff, over the items that moved there. `smape`: percent, 0..200.
    `crps`, `pinball` (mean over the 17 stored levels), `width_*`: log return from the last close. `log_score`:
    nats, larger is better; NaN where a model has no density. `coverage_*`: share, 0..1. `direction`: share of
    moves whose sign the median had right; NaN where it leans nowhere.
    """
    return pd.DataFrame(
        {"model": model, "step": step, **_scores(part)}
        for model, of_model in forecasts.groupby("model", sort=False)
        for step, part in by_step(of_model)
    )


def _scores(rows: pd.DataFrame) -> dict[str, int | float]:
    column = {name: rows[name].to_numpy() for name in rows.columns}
    actual, last, median = column["actual"], column["last_close"], column["q50"]
    moves = np.log(np.column_stack([column[name] for name in QUANTILES]) / last[:, None])
    bands = {level: (column[low], column[high]) for level, (low, high) in BANDS.items()}
    return {
        "n": len(rows),
        "mae": metrics.mae(median, actual),
        "rmse": metrics.rmse(column["mean"], actual),
        "mase": metrics.mase(median, actual, column["naive_scale"]),
        "smape": metrics.smape(median, actual),
        "crps": float(np.mean(column["crps"])),
        "log_score": float(np.mean(column["log_score"])),
        **{f"coverage_{level}": metrics.coverage(*band, actual) for level, band in bands.items()},
        **{f"width_{level}": float(np.mean(np.log(high / low))) for level, (low, high) in bands.items()},
        "pinball": float(np.mean(metrics.pinball(moves, np.log(actual / last), _LEVELS))),
        "direction": metrics.direction(median, actual, last),
    }
