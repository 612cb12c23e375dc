"""How every figure looks: the layout, lines and bands, and text that Plotly takes literally."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

from gatecast.faces.figures.palette import ACCENT, GRID, INK, MUTED, RIVALS, SURFACE, Scale

_NAME_LENGTH = 26  # characters of a name beside its bar; a phone has room for no more
FONT = 'Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def plain(text: str) -> str:
    """Text that Plotly shows as it stands: it reads `<b>`, `<a href>` and entities as markup otherwise.

    >>> plain("<b>A&B</b>")
    '&lt;b&gt;A&amp;B&lt;/b&gt;'
    """
    return html.escape(" ".join(text.split()), quote=False)


def short_name(text: str) -> str:
    """A name that fits beside a bar on a phone.

    >>> short_name("a name that goes on and on")
    'a name that goes on and on'
    >>> short_name("a name that goes on and on and on")
    'a name that goes on and o…'
    """
    return text if len(text) <= _NAME_LENGTH else text[: _NAME_LENGTH - 1] + "…"


def numbers(values: Iterable[float]) -> list[float | None]:
    """Six significant digits of each value (enough for any screen); None where it is not finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def dates(stamps: np.ndarray) -> list[str]:
    """Timestamps as the ISO text that Plotly puts on a date axis: days alone where no row has a time."""
    seconds = stamps.astype("datetime64[s]")
    days = seconds.astype("datetime64[D]")
    return [str(stamp) for stamp in (days if (days == seconds).all() else seconds)]


def drawn(
    traces: Iterable[BaseTraceType],
    *,
    title: str | None = None,
    xaxis: Mapping[str, object] | None = None,
    yaxis: Mapping[str, object] | None = None,
    layout: Mapping[str, object] | None = None,
) -> go.Figure:
    """A figure of these traces in the common layout: quiet grid, values to the right, legend above.

    `xaxis`, `yaxis` and `layout` override the common keys. The figure is built in a single call: Plotly checks every
    key again at each later change, which for hundreds of assets takes minutes.
    """
    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True, "ticks": ""}
    spike = {"spikecolor": MUTED, "spikethickness": 1, "spikedash": "solid", "spikemode": "across"}
    values = {"exponentformat": "none", "separatethousands": True}
    above = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    heading = {"text": plain(title), "x": 0, "xref": "paper", "font": {"size": 17, "color": INK}} if title else None
    common = {
        "template": {},
        "title": heading,
        "font": {"family": FONT, "size": 12, "color": MUTED},
        "paper_bgcolor": SURFACE,
        "plot_bgcolor": SURFACE,
        "margin": {"l": 0, "r": 4, "t": 84 if title else 40, "b": 8},
        "legend": {**above, "font": {"size": 12, "color": MUTED}, "itemclick": False, "itemdoubleclick": False},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": GRID, "font": {"color": INK, "size": 12}},
        "xaxis": {**axis, **spike, "showgrid": False, "showline": True, **(xaxis or {})},
        "yaxis": {**axis, **values, "showgrid": True, "side": "right", **(yaxis or {})},
    }
    return go.Figure(data=list(traces), layout={**common, **(layout or {})})


def axis_title(text: str) -> dict[str, object]:
    """What an axis shows, in small letters, clear of its numbers."""
    return {"text": text, "font": {"size": 12}, "standoff": 8}


def line(
    x: Sequence[object],
    y: Iterable[float],
    name: str,
    colour: str,
    *,
    width: float = 2.2,
    dash: str | None = None,
    hover: str | None = None,
    **more: Any,
) -> go.Scatter:
    """A line, or a point where there is a single value; `hover` is the template of the text under the pointer."""
    return go.Scatter(
        x=list(x),
        y=numbers(y),
        name=name,
        line={"color": colour, "width": width, "dash": dash},
        **{"mode": "lines" if len(x) > 1 else "lines+markers", **_pointed_at(hover), **more},
    )


def dots(
    x: Sequence[object], y: Iterable[object], look: Mapping[str, object], hover: str | None = None, **more: Any
) -> go.Scatter:
    """Markers of a `look`, out of the legend unless they have a name."""
    shown = {"showlegend": False} if "name" not in more else {}
    return go.Scatter(x=list(x), y=list(y), mode="markers", marker=look, **_pointed_at(hover), **shown, **more)


def bars(x: Iterable[object], y: Iterable[object], colour: str | list[str], hover: str, **more: Any) -> go.Bar:
    """Bars out of the legend unless they have a name; one colour, or one for each."""
    shown = {"showlegend": False} if "name" not in more else {}
    return go.Bar(x=list(x), y=list(y), marker={"color": colour}, **_pointed_at(hover), **{**shown, **more})


def _pointed_at(hover: str | None) -> dict[str, str]:
    """The text under the pointer, without the box that repeats the trace's name."""
    return {"hoverinfo": "skip"} if hover is None else {"hovertemplate": f"{hover}<extra></extra>"}


def band(x: Sequence[object], low: Iterable[float], high: Iterable[float], name: str, colour: str) -> go.Scatter:
    """The area between two lines."""
    xs, ys = outline(x, low, high)
    filled = {"mode": "lines", "fill": "toself", "fillcolor": colour, "hoverinfo": "skip"}
    return go.Scatter(x=xs, y=ys, name=name, line={"width": 0, "color": ACCENT}, **filled)


def outline(x: Sequence[object], low: Iterable[float], high: Iterable[float]) -> tuple[list[Any], list[float | None]]:
    """The outline of a band: along its upper edge and back along the lower edge."""
    return [*x, *reversed(x)], numbers([*high, *reversed([*low])])


def dotted(x0: object, y0: float, x1: object, y1: float, **place: str) -> dict[str, object]:
    """A thin dotted line to read a figure against, as a shape of its layout."""
    look = {"color": MUTED, "width": 1, "dash": "dot"}
    return {"type": "line", "x0": x0, "y0": y0, "x1": x1, "y1": y1, "line": look, **place}


def heat_map(
    x: Sequence[object],
    y: Sequence[object],
    z: Iterable[Iterable[float | None]],
    scale: Scale,
    bounds: tuple[float, float],
    hover: str,
    **more: Any,
) -> go.Heatmap:
    """A heat map without a colour bar, its colours spread over `bounds`."""
    looks = {"colorscale": scale, "zmin": bounds[0], "zmax": bounds[1], "showscale": False, "showlegend": False}
    return go.Heatmap(x=x, y=y, z=list(z), **_pointed_at(hover), **looks, **more)


def sign_colours(values: Iterable[float]) -> list[str]:
    """The colour of each bar, by its sign."""
    return [ACCENT if value >= 0 else RIVALS[4] for value in values]
