"""The page of a forecast: verdict, fan, table, training, notes and settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from gatecast.faces import figures
from gatecast.faces.report.page import render, setting_pairs, verdict_values
from gatecast.faces.wording import (
    change_text,
    date_text,
    events_ahead,
    events_text,
    level_text,
    price_text,
    reading,
    step_texts,
)
from gatecast.forecast import Forecast, ItemForecast, check_level
from gatecast.prices import PriceSeries, PriceTable
from gatecast.text import counted

MANY_ITEMS = 30  # beyond it each fan has fewer points, so that a file of 500 assets stays small enough to mail


def forecast_report(
    forecast: Forecast,
    prices: PriceTable,
    *,
    level: float,
    config: Mapping[str, object] | None = None,
    losses: Sequence[tuple[int, float, float]] = (),
    verdict: Mapping[str, object] | None = None,
    title: str,
) -> str:
    """One self-contained HTML page; the same arguments give the same text.

    `losses` are rows of (epoch, training loss, validation loss). `verdict` has the keys of `Verdict.to_dict`
    (`text, median, bands, honest, origins`). Raises `UsageError` where `level` is not between 0 and 1.
    """
    check_level(level)
    drawings: dict[str, go.Figure] = {}
    items: list[dict[str, object]] = []
    for position, item in enumerate(forecast):
        history = prices[item.item_id] if item.item_id in prices.item_ids else None
        drawings[f"fan-{position}"] = item_fan(item, history, level, many=len(forecast.items) > MANY_ITEMS)
        places = _add_risk(drawings, item, history, position) if len(forecast.items) <= MANY_ITEMS else {}
        items.append(
            {**item_values(item, level, history), "id": f"item-{position}", "figure": f"fan-{position}", **places}
        )
    if losses:
        drawings["loss"] = figures.loss_curve(losses, best_epoch(losses))
    return render(
        "forecast.html",
        drawings,
        {
            "title": title,
            "subtitle": _subtitle(forecast),
            "level": level_text(level),
            "verdict": verdict_values(verdict),
            "items": items,
            "loss_figure": "loss" if losses else None,
            "notes": [str(note) for note in prices.notes],
            "config": setting_pairs(config),
        },
    )


def _subtitle(forecast: Forecast) -> str:
    assets = "" if len(forecast.items) == 1 else f" for each of {len(forecast.items):,} assets"
    paths = f"{counted(forecast.n_paths, 'simulated path')} of {counted(forecast.horizon, 'step')}"
    return f"{paths}{assets} · seed {forecast.seed}"


def item_fan(item: ItemForecast, history: PriceSeries | None, level: float, *, many: bool = False) -> go.Figure:
    """The fan of an item over twice as many closes as there are steps; one of `many` has fewer points."""
    rows = 60 if many else max(60, 2 * item.horizon)
    levels = sorted({0.5, 0.8, level})
    return figures.fan(item, history, levels=levels, history_rows=rows, sample_paths=0 if many else 12, title=False)


def _add_risk(
    drawings: dict[str, go.Figure], item: ItemForecast, history: PriceSeries | None, position: int
) -> dict[str, str]:
    """Adds what can be lost to `drawings`, where the simulated days have ranges; returns the names of the figures."""
    if item.highs is None or item.lows is None:
        return {}
    drawings[f"touch-{position}"] = figures.touch_surface(item, history)
    drawings[f"falls-{position}"] = figures.drawdown_fan(item)
    return {"touch": f"touch-{position}", "falls": f"falls-{position}"}


def best_epoch(losses: Sequence[tuple[int, float, float]]) -> int | None:
    """The epoch whose weights were kept: the smallest validation loss, the first of equals."""
    finite = [(validation, epoch) for epoch, _, validation in losses if math.isfinite(validation)]
    return min(finite)[1] if finite else None


def item_values(item: ItemForecast, level: float, history: PriceSeries | None) -> dict[str, object]:
    """What a page says of an item's forecast, as texts: the reading, the last step, every step, dates, the notes."""
    events = events_ahead(item, history)
    ends = zip(("change", "lower_change", "upper_change"), (item.median, *item.interval(level)), strict=True)
    return {
        "name": item.item_id,
        "reading": reading(item, level),
        "last_close": price_text(item.last_close, item.last_close),
        "last_date": date_text(item.last_timestamp),
        **{name: change_text(float(values[-1]), item.last_close) for name, values in ends},
        "rows": step_texts(item, level, events),
        "events": events_text(events) if events else "",
        "notes": [note.text for note in item.notes],
    }
