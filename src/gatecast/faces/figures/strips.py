"""A strip of fans against what happened: one picture, a slider over the cutoffs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gatecast.faces.figures.style import ACCENT, BANDS, INK, MUTED, QUIET, SURFACE, dates, drawn, numbers
from gatecast.faces.wording import date_text
from gatecast.forecast import BANDS as BAND_COLUMNS
from gatecast.prices import PriceSeries

_SHOWN = (95, 80, 50)  # per cent; outermost first


def fan_strip(
    forecasts: pd.DataFrame, history: PriceSeries, *, history_rows: int | None = None, most: int = 60
) -> go.Figure:
    """The fans of one model on one item, each against the prices that came; the slider picks the cutoff.

    `forecasts` are that model's and item's rows of `scores.COLUMNS`. Of more than `most` cutoffs an even
    choice is shown, the last one first. `history_rows` closes stand before a cutoff: three times the horizon,
    20 at least, unless given.
    """
    cutoffs = np.unique(forecasts["cutoff"].to_numpy())
    chosen = cutoffs[np.unique(np.linspace(0, len(cutoffs) - 1, min(most, len(cutoffs))).round().astype(int))]
    rows = history_rows or max(20, 3 * int(forecasts["step"].max()))
    scenes = [_scene(forecasts[forecasts["cutoff"] == cutoff], history, cutoff, rows) for cutoff in chosen]
    traces = _empty_traces()
    for trace, (x, y) in zip(traces, scenes[-1], strict=True):
        trace.update(x=x, y=y)
    steps = [
        {
            "label": date_text(cutoff),
            "method": "restyle",
            "args": [{"x": [x for x, _ in scene], "y": [y for _, y in scene]}],
        }
        for cutoff, scene in zip(chosen, scenes, strict=True)
    ]
    slider = {
        "active": len(steps) - 1,
        "steps": steps,
        "currentvalue": {"prefix": "Forecast made on ", "font": {"color": INK}},
        "bgcolor": QUIET,
        "activebgcolor": ACCENT,
        "bordercolor": SURFACE,
        "tickcolor": QUIET,
        "font": {"color": MUTED},
        "pad": {"t": 36},
    }
    axis = {"type": "date", "hoverformat": "%a %-d %b %Y"}
    return drawn(traces, xaxis=axis, layout={"sliders": [slider]})


def _empty_traces() -> list[go.Scatter]:
    """Bands, median, the known prices and what came, in the order of `_scene`."""
    bands = [
        go.Scatter(
            name=f"{level}%",
            mode="lines",
            fill="toself",
            fillcolor=colour,
            line={"width": 0, "color": ACCENT},
            hoverinfo="skip",
        )
        for level, colour in zip(_SHOWN, BANDS, strict=True)
    ]
    hover = " %{y:,.6~g}<extra></extra>"
    return [
        *bands,
        go.Scatter(
            name="Median", mode="lines", line={"color": ACCENT, "width": 2.4}, hovertemplate="median" + hover
        ),
        go.Scatter(
            name="Known", mode="lines", line={"color": INK, "width": 1.6}, hovertemplate="close" + hover
        ),
        go.Scatter(
            name="What happened",
            mode="lines+markers",
            line={"color": INK, "width": 1.6},
            marker={"color": SURFACE, "size": 6, "line": {"color": INK, "width": 1.4}},
            hovertemplate="happened" + hover,
        ),
    ]


def _scene(
    fan: pd.DataFrame, history: PriceSeries, cutoff: np.datetime64, rows: int
) -> list[tuple[list[str], list[float | None]]]:
    """What each trace shows at one cutoff: its x and y."""
    fan = fan.sort_values("step")
    end = int(np.searchsorted(history.timestamps, cutoff, side="right"))
    known = history.rows(max(end - rows, 0), end)
    last = float(fan["last_close"].iloc[0])
    ahead = dates(np.concatenate([known.timestamps[-1:], fan["timestamp"].to_numpy()]))
    bands = [
        (ahead + ahead[::-1], numbers([last, *fan[high], *fan[low].iloc[::-1], last]))
        for low, high in (BAND_COLUMNS[level] for level in _SHOWN)
    ]
    return [
        *bands,
        (ahead, numbers([last, *fan["q50"]])),
        (dates(known.timestamps), numbers(known.close)),
        (ahead[1:], numbers(fan["actual"])),
    ]
