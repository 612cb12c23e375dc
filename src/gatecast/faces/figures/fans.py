"""The fan of one forecast over its history, and the curve of the training that made it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.faces.figures.style import (
    ACCENT,
    ACCENT_SOFT,
    BANDS,
    INK,
    MUTED,
    SURFACE,
    axis_title,
    dates,
    drawn,
    numbers,
)
from gatecast.faces.wording import known_history, level_text, price_decimals, price_text
from gatecast.forecast import Forecast, ItemForecast
from gatecast.prices import PriceSeries, PriceTable


def plot(forecast: Forecast, prices: PriceTable | None = None, *, item_id: str | None = None) -> go.Figure:
    """The fan of one item of a forecast (the first unless named), over its recent prices where these are given."""
    item = forecast.items[0] if item_id is None else forecast[item_id]
    return fan(item, None if prices is None else prices[item.item_id])


def fan(
    item: ItemForecast,
    history: PriceSeries | None = None,
    *,
    levels: Sequence[float] = (0.5, 0.8, 0.95),
    history_rows: int = 120,
    sample_paths: int = 12,
    title: bool = True,
) -> go.Figure:
    """Nested bands, the median and a few paths, growing out of the recent closes, on real dates.

    `levels` are shares of paths in each band (at most a few read well); `history_rows` closes at or before
    the last known one are shown. Prices carry six significant digits. Raises `UsageError` for a bad level.
    """
    stamps = np.concatenate([[item.last_timestamp], item.timestamps]).astype("datetime64[ns]")
    ahead, price = dates(stamps), float(f"{item.last_close:.6g}")
    colours = _band_colours(len(levels))
    traces = [
        _band(item, ahead, level, colour)
        for level, colour in zip(sorted(levels, reverse=True), colours, strict=True)
    ]
    if sample_paths:
        traces.append(_paths(item, ahead, min(sample_paths, len(item.paths))))
    known = known_history(item, history)
    if known is not None:
        traces.append(_closes(known, history_rows))
    median = go.Scatter(
        x=ahead,
        y=numbers([item.last_close, *item.median]),
        name="Median",
        mode="lines",
        line={"color": ACCENT, "width": 2.4},
        customdata=_hover_rows(item, sorted(levels)),
        hovertemplate="%{customdata}<extra></extra>",
    )
    where_knowledge_ends = go.Scatter(
        x=[ahead[0]],
        y=[price],
        mode="markers",
        showlegend=False,
        marker={"color": INK, "size": 9, "line": {"color": SURFACE, "width": 2}},
        hoverinfo="skip",
    )
    hours = "" if len(ahead[0]) == 10 else " %H:%M"
    return drawn(
        [*traces, median, where_knowledge_ends],
        title=item.item_id if title else None,
        xaxis={"type": "date", "hoverformat": f"%a %-d %b %Y{hours}"},
        layout={"shapes": [_level_line(ahead, price)]},
    )


def _band_colours(count: int) -> list[str]:
    """A colour a band, outermost first; beyond three the outermost tint repeats."""
    return [BANDS[max(0, len(BANDS) - count + i)] for i in range(count)]


def _band(item: ItemForecast, ahead: list[str], level: float, colour: str) -> go.Scatter:
    lower, upper = item.interval(level)
    there = [item.last_close, *upper]
    back = [item.last_close, *lower][::-1]
    return go.Scatter(
        x=ahead + ahead[::-1],
        y=numbers([*there, *back]),
        name=level_text(level),
        mode="lines",
        fill="toself",
        fillcolor=colour,
        line={"width": 0, "color": ACCENT},
        hoverinfo="skip",
    )


def _paths(item: ItemForecast, ahead: list[str], count: int) -> go.Scatter:
    """The first `count` paths in one trace with breaks; being exchangeable, the first are a fair sample."""
    x: list[str | None] = []
    y: list[float | None] = []
    for path in item.paths[:count]:
        x += [*ahead, None]
        y += [*numbers([item.last_close, *path]), None]
    return go.Scatter(
        x=x,
        y=y,
        name=f"{count} of {len(item.paths):,} paths",
        mode="lines",
        line={"color": ACCENT_SOFT, "width": 0.9},
        hoverinfo="skip",
    )


def _closes(history: PriceSeries, rows: int) -> go.Scatter:
    return go.Scatter(
        x=dates(history.timestamps[-rows:]),
        y=numbers(history.close[-rows:]),
        name="Close",
        mode="lines",
        line={"color": INK, "width": 1.6},
        hovertemplate="close %{y:,.6~g}<extra></extra>",
    )


def _level_line(ahead: list[str], price: float) -> dict[str, object]:
    """The last close carried forward as a thin dotted line to read the fan against."""
    return {
        "type": "line",
        "x0": ahead[0],
        "x1": ahead[-1],
        "y0": price,
        "y1": price,
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
        "layer": "above",
    }


def _hover_rows(item: ItemForecast, levels: Sequence[float]) -> list[str]:
    """The text under the pointer at each step: the median and every band."""
    digits = price_decimals(item.last_close)
    bands = [(level, *item.interval(level)) for level in levels]
    rows = [f"last close {price_text(item.last_close, digits)}"]
    for step, median in enumerate(item.median):
        lines = [f"median <b>{price_text(float(median), digits)}</b>"]
        for level, low, high in bands:
            ends = [price_text(float(end[step]), digits) for end in (low, high)]
            lines.append(f"{level_text(level)}: {ends[0]} to {ends[1]}")
        rows.append("<br>".join(lines))
    return rows


def loss_curve(losses: Sequence[tuple[int, float, float]], best_epoch: int | None = None) -> go.Figure:
    """Training and validation loss by epoch, the kept epoch marked.

    `losses` are rows of (epoch, training loss, validation loss); a loss that is not finite leaves a gap.
    """
    epochs = [epoch for epoch, _, _ in losses]
    train = np.array([row[1] for row in losses], dtype=np.float64)
    validation = np.array([row[2] for row in losses], dtype=np.float64)
    traces = [
        _loss(epochs, train, "Training", MUTED),
        _loss(epochs, validation, "Validation", ACCENT),
    ]
    if best_epoch in epochs:
        traces.append(
            go.Scatter(
                x=[best_epoch],
                y=numbers([validation[epochs.index(best_epoch)]]),
                name=f"Kept: epoch {best_epoch}",
                mode="markers",
                marker={"color": ACCENT, "size": 10, "line": {"color": SURFACE, "width": 2}},
                hoverinfo="skip",
            )
        )
    return drawn(
        traces,
        xaxis={"title": axis_title("Epoch"), "hoverformat": "d", "tickformat": "d", "dtick": _dtick(epochs)},
    )


def _dtick(epochs: Sequence[int]) -> int | None:
    """Whole epochs on a short axis; Plotly's own choice on a long one."""
    return 1 if len(epochs) <= 10 else None


def _loss(epochs: Sequence[int], values: Float[np.ndarray, " epochs"], name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=list(epochs),
        y=numbers(values),
        name=name,
        mode="lines+markers" if len(epochs) == 1 else "lines",
        line={"color": colour, "width": 2},
        hovertemplate=name.lower() + " %{y:.4~g}<extra></extra>",
    )
