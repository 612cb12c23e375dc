"""What was read, and two forecasts of an asset over each other."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from gatecast.faces.figures.palette import ACCENT, BANDS, INK, RIVALS, SECOND_BAND
from gatecast.faces.figures.style import band, dates, dots, drawn, line, plain
from gatecast.faces.wording import known_history
from gatecast.forecast import ItemForecast
from gatecast.prices import PriceSeries

MOST_POINTS = 1500  # of a line; more are finer than a screen


def closes(series: PriceSeries, *, most: int = MOST_POINTS) -> go.Figure:
    """The closes of a series as it was read; of more than `most` rows every k-th, the first and the last."""
    places = np.unique(np.linspace(0, len(series) - 1, min(most, len(series))).round().astype(int))
    stamps = dates(series.timestamps[places])
    hours = "" if len(stamps[0]) == 10 else " %H:%M"
    return drawn(
        [line(stamps, series.close[places], "Close", INK, width=1.6, hover="close %{y:,.6~g}", showlegend=False)],
        xaxis={"type": "date", "hoverformat": f"%a %-d %b %Y{hours}"},
    )


def two_fans(
    first: ItemForecast,
    second: ItemForecast,
    history: PriceSeries | None = None,
    *,
    names: tuple[str, str] = ("First", "Second"),
    level: float = 0.9,
    history_rows: int = 60,
) -> go.Figure:
    """Two forecasts of an asset: the median and the band at `level` of each, over the closes that the later knows.

    Raises `UsageError` for a bad level.
    """
    traces = []
    looks = ((first, names[0], RIVALS[1], SECOND_BAND), (second, names[1], ACCENT, BANDS[2]))
    for item, name, colour, shade in looks:
        stamps = np.concatenate([[item.last_timestamp], item.timestamps]).astype("datetime64[ns]")
        ahead = dates(stamps)
        low, high = ([item.last_close, *edge] for edge in item.interval(level))
        edges = band(ahead, low, high, f"{plain(name)}, {100 * level:.6g}%", shade)
        traces.append(edges.update(legendgroup=plain(name)))
        hover = f"{plain(name)} median %{{y:,.6~g}}"
        middle = [item.last_close, *item.median]
        traces.append(line(ahead, middle, plain(name), colour, width=2.2, hover=hover))
        look: dict[str, object] = {"color": colour, "size": 8}
        traces.append(dots(ahead[:1], [float(f"{item.last_close:.6g}")], look))
    latest = max(first, second, key=lambda item: item.last_timestamp.astype("datetime64[ns]"))
    known = known_history(latest, history)
    if known is not None:
        shown = known.rows(max(len(known) - history_rows, 0), len(known))
        hover = "close %{y:,.6~g}"
        traces.append(line(dates(shown.timestamps), shown.close, "Close", INK, width=1.6, hover=hover))
    return drawn(traces, xaxis={"type": "date", "hoverformat": "%a %-d %b %Y"})
