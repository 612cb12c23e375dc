"""The fan of one forecast over its history, and the curve of the training that made it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.figures.style import (
    ACCENT,
    ACCENT_SOFT,
    BANDS,
    GRID,
    INK,
    MUTED,
    SURFACE,
    dates,
    numbers,
    plain,
    styled,
)
from gatecast.forecast import ItemForecast
from gatecast.prices import PriceSeries
from gatecast.wording import known_history, level_text, price_decimals, price_text


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
    figure = go.Figure()
    stamps = np.concatenate([[item.last_timestamp], item.timestamps]).astype("datetime64[ns]")
    ahead = dates(stamps)
    for level, colour in zip(sorted(levels, reverse=True), _band_colours(len(levels)), strict=True):
        _add_band(figure, item, ahead, level, colour)
    _add_paths(figure, item, ahead, min(sample_paths, len(item.paths)))
    known = known_history(item, history)
    if known is not None:
        _add_history(figure, known, history_rows)
    figure.add_trace(
        go.Scatter(
            x=ahead,
            y=numbers([item.last_close, *item.median]),
            name="Median",
            mode="lines",
            line={"color": ACCENT, "width": 2.4},
            customdata=_hover_rows(item, sorted(levels)),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    _mark_last_close(figure, item, ahead)
    styled(figure, item.item_id if title else None)
    figure.update_xaxes(
        type="date", hoverformat="%a %-d %b %Y" if len(ahead[0]) == 10 else "%a %-d %b %Y %H:%M"
    )
    return figure


def _band_colours(count: int) -> list[str]:
    """A colour a band, outermost first; beyond three the outermost tint repeats."""
    return [BANDS[max(0, len(BANDS) - count + i)] for i in range(count)]


def _add_band(figure: go.Figure, item: ItemForecast, ahead: list[str], level: float, colour: str) -> None:
    lower, upper = item.interval(level)
    there = [item.last_close, *upper]
    back = [item.last_close, *lower][::-1]
    figure.add_trace(
        go.Scatter(
            x=ahead + ahead[::-1],
            y=numbers([*there, *back]),
            name=level_text(level),
            mode="lines",
            fill="toself",
            fillcolor=colour,
            line={"width": 0, "color": ACCENT},
            hoverinfo="skip",
        )
    )


def _add_paths(figure: go.Figure, item: ItemForecast, ahead: list[str], count: int) -> None:
    """The first `count` paths in one trace with breaks; being exchangeable, the first are a fair sample."""
    if count == 0:
        return
    x: list[str | None] = []
    y: list[float | None] = []
    for path in item.paths[:count]:
        x += [*ahead, None]
        y += [*numbers([item.last_close, *path]), None]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            name=f"{count} of {len(item.paths):,} paths",
            mode="lines",
            line={"color": ACCENT_SOFT, "width": 0.9},
            hoverinfo="skip",
        )
    )


def _add_history(figure: go.Figure, history: PriceSeries, rows: int) -> None:
    figure.add_trace(
        go.Scatter(
            x=dates(history.timestamps[-rows:]),
            y=numbers(history.close[-rows:]),
            name="Close",
            mode="lines",
            line={"color": INK, "width": 1.6},
            hovertemplate="close %{y:,.6~g}<extra></extra>",
        )
    )


def _mark_last_close(figure: go.Figure, item: ItemForecast, ahead: list[str]) -> None:
    """A dot where knowledge ends, and its price carried forward as a thin dotted line to read against."""
    price = float(f"{item.last_close:.6g}")
    figure.add_shape(
        type="line",
        x0=ahead[0],
        x1=ahead[-1],
        y0=price,
        y1=price,
        line={"color": MUTED, "width": 1, "dash": "dot"},
        layer="above",
    )
    figure.add_trace(
        go.Scatter(
            x=[ahead[0]],
            y=[price],
            mode="markers",
            showlegend=False,
            marker={"color": INK, "size": 9, "line": {"color": SURFACE, "width": 2}},
            hoverinfo="skip",
        )
    )


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
    figure = go.Figure()
    _add_loss(figure, epochs, train, "Training", MUTED)
    _add_loss(figure, epochs, validation, "Validation", ACCENT)
    if best_epoch in epochs:
        figure.add_trace(
            go.Scatter(
                x=[best_epoch],
                y=numbers([validation[epochs.index(best_epoch)]]),
                name=plain(f"Kept: epoch {best_epoch}"),
                mode="markers",
                marker={"color": ACCENT, "size": 10, "line": {"color": SURFACE, "width": 2}},
                hoverinfo="skip",
            )
        )
    styled(figure)
    figure.update_xaxes(
        title={"text": "Epoch", "font": {"size": 12}, "standoff": 8},
        hoverformat="d",
        tickformat="d",
        dtick=_dtick(epochs),
    )
    figure.update_yaxes(gridcolor=GRID)
    return figure


def _dtick(epochs: Sequence[int]) -> int | None:
    """Whole epochs on a short axis; Plotly's own choice on a long one."""
    return 1 if len(epochs) <= 10 else None


def _add_loss(
    figure: go.Figure, epochs: Sequence[int], values: Float[np.ndarray, " epochs"], name: str, colour: str
) -> None:
    figure.add_trace(
        go.Scatter(
            x=list(epochs),
            y=numbers(values),
            name=name,
            mode="lines+markers" if len(epochs) == 1 else "lines",
            line={"color": colour, "width": 2},
            hovertemplate=name.lower() + " %{y:.4~g}<extra></extra>",
        )
    )
