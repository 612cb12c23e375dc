"""The fan of a forecast over its history, and the losses of the training that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from gatecast.errors import check_type
from gatecast.faces.figures.palette import ACCENT, ACCENT_SOFT, BANDS, INK, MUTED, SURFACE
from gatecast.faces.figures.style import axis_title, band, dates, dots, dotted, drawn, line, numbers, plain
from gatecast.faces.wording import events_ahead, known_history, level_text, price_text
from gatecast.forecast import Forecast, ItemForecast
from gatecast.prices import PriceSeries, PriceTable, check_prices

_RING: dict[str, object] = {"line": {"color": SURFACE, "width": 2}}  # around a dot


def plot(forecast: Forecast, prices: PriceTable | None = None, *, item_id: str | None = None) -> go.Figure:
    """The fan of one item of a forecast (the first unless named): bands of 90, 80 and 50%, median, a few paths.

    Over its recent prices where these are given. Raises `UsageError` for an item that is not there.
    """
    check_type("forecast", forecast, Forecast, "Make one with predict(prices).")
    if prices is not None:
        check_prices(prices)
    item = forecast.items[0] if item_id is None else forecast[item_id]
    return fan(item, None if prices is None else prices[item.item_id])


def fan(
    item: ItemForecast,
    history: PriceSeries | None = None,
    *,
    levels: Sequence[float] = (0.5, 0.8, 0.9),
    history_rows: int = 120,
    sample_paths: int = 12,
    title: bool = True,
) -> go.Figure:
    """Nested bands, the median and a few paths, which start at the last of the recent closes, on real dates.

    `levels` are shares of paths in each band (more than three are hard to tell apart); `history_rows` closes at or
    before the last known close are shown. Prices carry six significant digits. Raises `UsageError` for a bad level.
    """
    stamps = np.concatenate([[item.last_timestamp], item.timestamps]).astype("datetime64[ns]")
    ahead, price = dates(stamps), float(f"{item.last_close:.6g}")
    wide_first = sorted(levels, reverse=True)
    traces = []
    for level, place in zip(wide_first, range(-len(levels), 0), strict=True):
        low, high = ([item.last_close, *edge] for edge in item.interval(level))
        traces.append(band(ahead, low, high, level_text(level), BANDS[max(place, -len(BANDS))]))
    if sample_paths:
        traces.append(_paths(item, ahead, min(sample_paths, len(item.paths))))
    known = known_history(item, history)
    if known is not None:
        closes = known.rows(max(len(known) - history_rows, 0), len(known))
        hover = "close %{y:,.6~g}"
        traces.append(line(dates(closes.timestamps), closes.close, "Close", INK, width=1.6, hover=hover))
    middle, texts = [item.last_close, *item.median], _hover_rows(item, wide_first[::-1])
    traces.append(line(ahead, middle, "Median", ACCENT, width=2.4, hover="%{customdata}", customdata=texts))
    traces.append(dots(ahead[:1], [price], {"color": INK, "size": 9, **_RING}))
    marked = events_ahead(item, history)
    if marked:
        traces.append(_event_marks(item, ahead, marked))
    hours = "" if len(ahead[0]) == 10 else " %H:%M"
    return drawn(
        traces,
        title=item.item_id if title else None,
        xaxis={"type": "date", "hoverformat": f"%a %-d %b %Y{hours}"},
        layout={"shapes": [dotted(ahead[0], price, ahead[-1], price, layer="above")]},
    )


def _event_marks(item: ItemForecast, ahead: list[str], events: Mapping[int, str]) -> go.Scatter:
    """A mark on the median at each step that is known to have an event, its kind under the pointer."""
    steps = sorted(events)
    look = {"color": MUTED, "size": 11, "symbol": "diamond", **_RING}
    at = [ahead[step] for step in steps]
    middle = [float(item.median[step - 1]) for step in steps]
    kinds = [plain(events[step]) for step in steps]
    return dots(at, middle, look, hover="%{customdata}", name="Known dates", customdata=kinds)


def _paths(item: ItemForecast, ahead: list[str], count: int) -> go.Scatter:
    """The first `count` paths in one trace with breaks; being exchangeable, the first are a fair sample."""
    x = [*ahead, None] * count
    y = [price for path in item.paths[:count] for price in (item.last_close, *path, np.nan)]
    return line(x, y, f"{count} of {len(item.paths):,} paths", ACCENT_SOFT, width=0.9)


def _hover_rows(item: ItemForecast, levels: Sequence[float]) -> list[str]:
    """The text under the pointer at each step: the median and every band."""
    bands = [(level, *item.interval(level)) for level in levels]
    rows = [f"last close {price_text(item.last_close, item.last_close)}"]
    for step, median in enumerate(item.median):
        lines = [f"median <b>{price_text(float(median), item.last_close)}</b>"]
        for level, low, high in bands:
            ends = " to ".join(price_text(float(end[step]), item.last_close) for end in (low, high))
            lines.append(f"{level_text(level)}: {ends}")
        rows.append("<br>".join(lines))
    return rows


def loss_curve(losses: Sequence[tuple[int, float, float]], best_epoch: int | None = None) -> go.Figure:
    """Training and validation loss by epoch, the kept epoch marked.

    `losses` are rows of (epoch, training loss, validation loss); a loss that is not finite leaves a gap.
    """
    epochs = [epoch for epoch, _, _ in losses]
    validation = [loss for _, _, loss in losses]
    traces = [
        line(epochs, [loss for _, loss, _ in losses], "Training", MUTED, width=2.0, hover="training %{y:.4~g}"),
        line(epochs, validation, "Validation", ACCENT, width=2.0, hover="validation %{y:.4~g}"),
    ]
    if best_epoch in epochs:
        kept, look = numbers([validation[epochs.index(best_epoch)]]), {"color": ACCENT, "size": 10, **_RING}
        traces.append(dots([best_epoch], kept, look, name=f"Kept: epoch {best_epoch}"))
    ticks = {"tickformat": "d", "dtick": 1 if len(epochs) <= 10 else None}  # whole epochs on a short axis
    return drawn(traces, xaxis={"title": axis_title("Epoch"), "hoverformat": "d", **ticks})
