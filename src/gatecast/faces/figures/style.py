"""How every figure looks: one palette, one layout, and text that Plotly takes literally."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

INK = "#1b2330"
MUTED = "#6a7385"
GRID = "#e8ebf1"
SURFACE = "#ffffff"
ACCENT = "#2f5fe0"
ACCENT_SOFT = "rgba(47,95,224,0.30)"
BANDS = (
    "rgba(47,95,224,0.11)",
    "rgba(47,95,224,0.13)",
    "rgba(47,95,224,0.16)",
)  # outermost first; they add up
QUIET = "#c3cad6"  # bars that are not the subject
RIVALS = ("#1f8a84", "#b7791f", "#8a4fa3", "#4f8a3c", "#c2546b", "#5f7291", "#8c6a4f", "#2a86b0", "#7d7f2a")

# The twin of each colour on a dark page; the page swaps them when it draws.
DARK = {
    INK: "#e8ebf2",
    MUTED: "#98a1b3",
    GRID: "#272d38",
    SURFACE: "#171b22",
    ACCENT: "#86a8ff",
    ACCENT_SOFT: "rgba(134,168,255,0.32)",
    BANDS[0]: "rgba(134,168,255,0.12)",
    BANDS[1]: "rgba(134,168,255,0.15)",
    BANDS[2]: "rgba(134,168,255,0.19)",
    QUIET: "#475064",
    **dict(
        zip(
            RIVALS,
            (
                "#5cc4bd",
                "#e0b15c",
                "#c490dd",
                "#93c97e",
                "#ee92a5",
                "#9fb0cc",
                "#c6a58a",
                "#72c0e4",
                "#bdc063",
            ),
            strict=True,
        )
    ),
}

FONT = 'Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def plain(text: str) -> str:
    """Text that Plotly shows as it stands: it reads `<b>`, `<a href>` and entities as markup otherwise.

    >>> plain("<b>A&B</b>")
    '&lt;b&gt;A&amp;B&lt;/b&gt;'
    """
    return html.escape(" ".join(text.split()), quote=False)


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

    `xaxis`, `yaxis` and `layout` are laid over the common ones. Built at one go: Plotly checks every key of
    each later change again, which for hundreds of assets takes minutes.
    """
    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True, "ticks": ""}
    spike = {"spikecolor": MUTED, "spikethickness": 1, "spikedash": "solid", "spikemode": "across"}
    heading = (
        {"text": plain(title), "x": 0, "xref": "paper", "font": {"size": 17, "color": INK}} if title else None
    )
    common = {
        "template": {},
        "title": heading,
        "font": {"family": FONT, "size": 12, "color": MUTED},
        "paper_bgcolor": SURFACE,
        "plot_bgcolor": SURFACE,
        "margin": {"l": 0, "r": 4, "t": 84 if title else 40, "b": 8},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "font": {"size": 12, "color": MUTED},
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": GRID, "font": {"color": INK, "size": 12}},
        "xaxis": {**axis, **spike, "showgrid": False, "showline": True, **(xaxis or {})},
        "yaxis": {
            **axis,
            "showgrid": True,
            "side": "right",
            "exponentformat": "none",
            "separatethousands": True,
            **(yaxis or {}),
        },
    }
    return go.Figure(data=list(traces), layout={**common, **(layout or {})})


def axis_title(text: str) -> dict[str, object]:
    """What an axis shows, in small letters, clear of its numbers."""
    return {"text": text, "font": {"size": 12}, "standoff": 8}
