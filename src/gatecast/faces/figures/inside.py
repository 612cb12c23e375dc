"""Inside a network: its states and gates, how long they last, and what it looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.explain.explanation import TAPS, Cell, Explanation
from gatecast.faces.figures.palette import ACCENT, ACCENT_SOFT, INK, MUTED, OPEN, SIGNED
from gatecast.faces.figures.style import axis_title, bars, dates, dots, dotted, drawn, heat_map, line, numbers
from gatecast.faces.names import PART_NAMES

_SHOWN_PARTS = {
    "lstm": ("cell_state", "forget_gate", "input_gate", "output_gate"),
    "gru": ("hidden", "update_gate", "reset_gate", "candidate"),
    "rnn": ("hidden",),
}
_ROUND = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]  # ticks of a logarithmic axis


def cell_states(cell: Cell, timestamps: np.ndarray, close: Float[np.ndarray, " time"]) -> go.Figure:
    """The price, and under it heat maps of states and gates, days by units, on a shared axis of days."""
    days, names = dates(timestamps), _SHOWN_PARTS[cell.kind]
    units = list(range(1, cell.values["hidden"].shape[1] + 1))
    bottoms = np.linspace(0, 0.74, len(names) + 1)[:-1][::-1]
    height = 0.74 / len(names) - 0.035
    hover = "close %{y:,.6~g}"
    traces: list[go.Scatter | go.Heatmap] = [line(days, close, "Close", INK, width=1.6, hover=hover, showlegend=False)]
    axes: dict[str, object] = {}
    headings = [_heading("Close", 0.965)]
    for row, (name, bottom) in enumerate(zip(names, bottoms, strict=True), 2):
        values, label = cell.values[name].T, PART_NAMES[name]  # (unit, day)
        signed = name in {"cell_state", "hidden", "candidate"}
        top = max(float(np.abs(values).max()), 1e-3) if signed else 1.0
        colours, bounds = (SIGNED, (-top, top)) if signed else (OPEN, (0.0, top))
        hover, more = f"unit %{{y}}: {label.lower()} %{{z:.3f}}", {"yaxis": f"y{row}", "name": label}
        traces.append(heat_map(days, units, map(numbers, values), colours, bounds, hover, **more))
        scale = f"±{top:.2g}" if signed else "0 closed, 1 open"
        headings.append(_heading(f"{label} <span style='font-size:11px'>({scale})</span>", bottom + height))
        ends = {"domain": [bottom, bottom + height], "tickvals": [units[0], units[-1]]}
        axes[f"yaxis{row}"] = {**ends, "showgrid": False, "zeroline": False, "side": "right", "automargin": True}
    return drawn(
        traces,
        xaxis={"type": "date", "hoverformat": "%a %-d %b %Y", "anchor": f"y{len(names) + 1}"},
        yaxis={"domain": [0.79, 0.965], "nticks": 4},
        layout={**axes, "annotations": headings, "hovermode": "x", "hoversubplots": "axis"},
    )


def _heading(text: str, top: float) -> dict[str, object]:
    """A small heading at the upper left of a stacked chart."""
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": top, "yref": "paper", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 13, "color": INK}, **place}


def half_lives(cell: Cell, context_length: int) -> go.Figure:
    """How many units keep half of their state for how long; logarithmic bins, the context marked."""
    values = cell.half_lives
    assert values is not None
    top = max(float(values.max()), float(context_length)) * 1.2
    edges = np.geomspace(min(float(values.min()), 0.5), top, 18)
    counts, _ = np.histogram(values, edges)
    middles, widths = numbers(np.sqrt(edges[1:] * edges[:-1])), numbers(np.diff(edges) * 0.92)
    hover = "half-life about %{x:.2~f} days: %{y} units"
    units = bars(middles, counts.tolist(), ACCENT, hover, width=widths, name="Units", showlegend=False)
    mark = {"x": float(np.log10(context_length)), "y": 1, "yref": "paper", "xanchor": "right", "yanchor": "top"}
    words = {"text": "the context ", "showarrow": False, "font": {"size": 12, "color": MUTED}}
    ticks = [tick for tick in _ROUND if edges[0] <= tick <= top]
    names = {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return drawn(
        [units],
        xaxis={"type": "log", "title": axis_title("half-life in days"), **names},
        yaxis={"title": axis_title("units"), "rangemode": "tozero"},
        layout={
            "hovermode": "closest",
            "shapes": [dotted(context_length, 0.0, context_length, 1.0, yref="paper")],
            "annotations": [{**words, **mark}],
        },
    )


def attention_map(explanation: Explanation, layer: int = -1) -> go.Figure:
    """Attention, mean over heads, in multiples of an even spread: row a day, column the day it attends to."""
    assert explanation.attention is not None
    days, weights = dates(explanation.context.timestamps), explanation.attention[layer].mean(axis=0)
    even = weights * (weights > 0).sum(axis=1, keepdims=True)
    rows = ([value or None for value in numbers(row)] for row in even)
    hover = "%{y|%-d %b} attends to %{x|%-d %b}: %{z:.2f} times an even share"
    return drawn(
        [heat_map(days, days, rows, OPEN, (0.0, max(float(even.max()), 2.0)), hover)],
        xaxis={"type": "date", "title": axis_title("attended to"), "nticks": 6},
        yaxis={"type": "date", "title": axis_title("attending"), "autorange": "reversed", "showgrid": False},
        layout={"hovermode": "closest"},
    )


def receptive_field(dilations: Sequence[int], *, taps: int = TAPS) -> go.Figure:
    """The tree of inputs that reach today's output through convolutions of these dilations, two of each."""
    levels = [dilation for dilation in dilations for _ in range(2)]
    seen = {0}
    x: list[float | None] = []
    y: list[float | None] = []
    places = [(0, len(levels))]
    for depth, dilation in zip(range(len(levels), 0, -1), reversed(levels), strict=True):
        below = {back + tap * dilation for back in seen for tap in range(taps)}
        for back in sorted(seen):
            for tap in range(taps):
                x += [-back, -back - tap * dilation, None]
                y += [depth, depth - 1, None]
        seen = below
        places += [(back, depth - 1) for back in sorted(seen)]
    lines = go.Scatter(
        x=x, y=y, mode="lines", line={"color": ACCENT_SOFT, "width": 1}, hoverinfo="skip", showlegend=False
    )
    look = {"color": [ACCENT if depth else INK for _, depth in places], "size": 4}
    points = dots([-back for back, _ in places], [depth for _, depth in places], look, "%{x} days")
    layers = ["inputs", *(f"dilation {dilation}" for dilation in levels)]
    return drawn(
        [lines, points],
        xaxis={"title": axis_title("days from today"), "range": [-max(seen) - 1.5, 1], "showline": False},
        yaxis={"tickvals": list(range(len(layers))), "ticktext": layers, "showgrid": False},
        layout={"hovermode": "closest"},
    )
