"""The fans of one model against the observed prices: one figure, with a slider over the cutoffs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gatecast.faces.figures.palette import ACCENT, BANDS, INK, MUTED, QUIET, SURFACE
from gatecast.faces.figures.style import band, dates, drawn, line, numbers, outline
from gatecast.faces.wording import date_text
from gatecast.forecast import BANDS as BAND_COLUMNS
from gatecast.prices import PriceSeries

_SHOWN = (90, 80, 50)  # per cent; outermost first


def fan_strip(
    forecasts: pd.DataFrame, history: PriceSeries, *, history_rows: int | None = None, most: int = 60
) -> go.Figure:
    """The fans of one model on one item, each against the prices observed later; the slider picks the cutoff.

    `forecasts` are that model's and item's rows of `scores.COLUMNS`. Of more than `most` cutoffs an even
    choice is shown, the last first. `history_rows` closes are shown before a cutoff: three times the horizon,
    20 at least, unless given.
    """
    cutoffs = np.unique(forecasts["cutoff"].to_numpy())
    chosen = cutoffs[np.unique(np.linspace(0, len(cutoffs) - 1, min(most, len(cutoffs))).round().astype(int))]
    rows = history_rows or max(20, 3 * int(forecasts["step"].max()))
    scenes = [_scene(forecasts[forecasts["cutoff"] == cutoff], history, cutoff, rows) for cutoff in chosen]
    traces = _empty_traces()
    for trace, (x, y) in zip(traces, scenes[-1], strict=True):
        trace.update(x=x, y=y)
    steps = []
    for cutoff, scene in zip(chosen, scenes, strict=True):
        shown = {"x": [x for x, _ in scene], "y": [y for _, y in scene]}
        steps.append({"label": date_text(cutoff), "method": "restyle", "args": [shown]})
    colours = {"bgcolor": QUIET, "activebgcolor": ACCENT, "bordercolor": SURFACE, "tickcolor": QUIET}
    slider = {
        **colours,
        "active": len(steps) - 1,
        "steps": steps,
        "currentvalue": {"prefix": "Forecast made on ", "font": {"color": INK}},
        "font": {"color": MUTED},
        "pad": {"t": 36},
    }
    axis = {"type": "date", "hoverformat": "%a %-d %b %Y"}
    return drawn(traces, xaxis=axis, layout={"sliders": [slider]})


def _empty_traces() -> list[go.Scatter]:
    """Bands, median, known and observed prices, in the order of `_scene`."""
    hover = " %{y:,.6~g}"
    ring, mode = {"color": SURFACE, "size": 6, "line": {"color": INK, "width": 1.4}}, "lines+markers"
    return [
        *(band([], [], [], f"{level}%", colour) for level, colour in zip(_SHOWN, BANDS, strict=True)),
        line([], [], "Median", ACCENT, width=2.4, mode="lines", hover="median" + hover),
        line([], [], "Known", INK, width=1.6, mode="lines", hover="close" + hover),
        line([], [], "Observed", INK, width=1.6, hover="observed" + hover, mode=mode, marker=ring),
    ]


def _scene(
    fan: pd.DataFrame, history: PriceSeries, cutoff: np.datetime64, rows: int
) -> list[tuple[list[str], list[float | None]]]:
    """What each trace shows at a cutoff: its x and y."""
    fan = fan.sort_values("step")
    end = int(np.searchsorted(history.timestamps, cutoff, side="right"))
    known = history.rows(max(end - rows, 0), end)
    last = float(fan["last_close"].iloc[0])
    ahead = dates(np.concatenate([known.timestamps[-1:], fan["timestamp"].to_numpy()]))
    edges = (BAND_COLUMNS[level] for level in _SHOWN)
    return [
        *(outline(ahead, [last, *fan[low]], [last, *fan[high]]) for low, high in edges),
        (ahead, numbers([last, *fan["q50"]])),
        (dates(known.timestamps), numbers(known.close)),
        (ahead[1:], numbers(fan["actual"])),
    ]
