"""Inside a network: its gates and belt, what moved a forecast, what its bands are made of, where it looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.explain.explanation import TAPS, Bands, Cell, Explanation
from gatecast.faces.figures.names import FEATURE_NAMES, NAMES
from gatecast.faces.figures.style import (
    ACCENT,
    ACCENT_SOFT,
    INK,
    MUTED,
    QUIET,
    RIVALS,
    SURFACE,
    axis_title,
    dates,
    drawn,
    numbers,
)

LEAST_POINTS = 0.01  # basis points: what moves a forecast by less is drawn as nothing
MOST_FEATURES = 16  # bars of one figure
OPEN = [[0.0, SURFACE], [0.6, ACCENT], [1.0, INK]]  # a gate: shut to open
SIGNED = [[0.0, RIVALS[4]], [0.5, SURFACE], [1.0, ACCENT]]  # a state: against, nothing, for
_BELT = {
    "lstm": ("cell_state", "forget_gate", "input_gate", "output_gate"),
    "gru": ("hidden", "update_gate", "reset_gate", "candidate"),
    "rnn": ("hidden",),
}


def belt(cell: Cell, history_timestamps: np.ndarray, close: Float[np.ndarray, " time"]) -> go.Figure:
    """The price, and under it heat maps of state and gates, days by units, on one shared axis of days."""
    days, names = dates(history_timestamps), _BELT[cell.kind]
    units = list(range(1, cell.values["hidden"].shape[1] + 1))
    bottoms = np.linspace(0, 0.74, len(names) + 1)[:-1][::-1]
    height = 0.74 / len(names) - 0.035
    price = go.Scatter(
        x=days,
        y=numbers(close),
        name="Close",
        showlegend=False,
        line={"color": INK, "width": 1.6},
        hovertemplate="close %{y:,.6~g}<extra></extra>",
    )
    traces: list[go.Scatter | go.Heatmap] = [price]
    axes: dict[str, object] = {}
    notes = [_over("Close", 0.965)]
    for row, (name, bottom) in enumerate(zip(names, bottoms, strict=True), 2):
        values = cell.values[name].T  # (unit, day)
        signed = name in {"cell_state", "hidden", "candidate"}
        top = max(float(np.abs(values).max()), 1e-3) if signed else 1.0
        traces.append(
            go.Heatmap(
                x=days,
                y=units,
                z=[numbers(unit) for unit in values],
                yaxis=f"y{row}",
                colorscale=SIGNED if signed else OPEN,
                zmin=-top if signed else 0.0,
                zmax=top,
                showscale=False,
                showlegend=False,
                name=NAMES[name],
                hovertemplate=f"unit %{{y}}: {NAMES[name].lower()} %{{z:.3f}}<extra></extra>",
            )
        )
        scale = f"±{top:.2g}" if signed else "0 shut, 1 open"
        notes.append(_over(f"{NAMES[name]} <span style='font-size:11px'>({scale})</span>", bottom + height))
        axes[f"yaxis{row}"] = {
            "domain": [bottom, bottom + height],
            "showgrid": False,
            "zeroline": False,
            "side": "right",
            "tickvals": [units[0], units[-1]],
            "automargin": True,
        }
    return drawn(
        traces,
        xaxis={"type": "date", "hoverformat": "%a %-d %b %Y", "anchor": f"y{len(names) + 1}"},
        yaxis={"domain": [0.79, 0.965], "nticks": 4},
        layout={**axes, "annotations": notes, "hovermode": "x", "hoversubplots": "axis"},
    )


def _over(text: str, top: float) -> dict[str, object]:
    """A small heading at the upper left of one of the stacked charts."""
    place = {"x": 0, "xref": "paper", "xanchor": "left", "y": top, "yref": "paper", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 13, "color": INK}, **place}


def half_lives(cell: Cell, context_length: int) -> go.Figure:
    """How many units keep half of their state for how long; logarithmic bins, the context marked."""
    values = cell.half_lives
    assert values is not None
    top = max(float(values.max()), float(context_length)) * 1.2
    edges = np.geomspace(min(float(values.min()), 0.5), top, 18)
    counts, _ = np.histogram(values, edges)
    bars = go.Bar(
        x=numbers(np.sqrt(edges[1:] * edges[:-1])),
        y=counts.tolist(),
        width=numbers(np.diff(edges) * 0.92),
        marker={"color": ACCENT},
        name="Units",
        showlegend=False,
        hovertemplate="half-life about %{x:.2~f} days: %{y} units<extra></extra>",
    )
    return drawn(
        [bars],
        xaxis={"type": "log", "title": axis_title("half-life in days"), **_log_ticks(edges[0], top)},
        yaxis={"title": axis_title("units"), "rangemode": "tozero"},
        layout={
            "hovermode": "closest",
            "shapes": [_upright(context_length)],
            "annotations": [_upright_note(float(np.log10(context_length)), "the context")],
        },
    )


def feature_contributions(explanation: Explanation) -> go.Figure:
    """What each feature, over all its lags, added to the explained number; the largest contributions."""
    points = explanation.points.sum(axis=0)
    order = np.argsort(np.abs(points))[-MOST_FEATURES:]
    small = float(np.abs(points).max()) < LEAST_POINTS
    bars = go.Bar(
        x=numbers(points[order]),
        y=[FEATURE_NAMES[explanation.features[i]] for i in order],
        orientation="h",
        marker={"color": [ACCENT if points[i] >= 0 else RIVALS[4] for i in order]},
        showlegend=False,
        hovertemplate=f"%{{y}}: %{{x:+.2f}} {explanation.point_unit}<extra></extra>",
    )
    return drawn(
        [bars],
        xaxis={
            "title": axis_title(explanation.point_unit),
            "showgrid": True,
            "zeroline": True,
            "zerolinecolor": QUIET,
            "nticks": 6,
            **({"range": [-LEAST_POINTS, LEAST_POINTS]} if small else {}),
        },
        yaxis={"side": "left", "showgrid": False},
        layout={"hovermode": "closest", "bargap": 0.35},
    )


def contribution_map(explanation: Explanation, *, days: int = 30) -> go.Figure:
    """What each feature of each of the last days added to the explained number; features by days."""
    points = explanation.points[-days:].T
    top = max(float(np.abs(points).max()), LEAST_POINTS)
    heat = go.Heatmap(
        x=dates(explanation.context.timestamps[-days:]),
        y=[FEATURE_NAMES[name] for name in explanation.features],
        z=[numbers(feature) for feature in points],
        colorscale=SIGNED,
        zmin=-top,
        zmax=top,
        showscale=False,
        showlegend=False,
        hovertemplate=f"%{{y}}, %{{x|%-d %b %Y}}: %{{z:+.3f}} {explanation.point_unit}<extra></extra>",
    )
    return drawn(
        [heat],
        xaxis={"type": "date", "nticks": 6},
        yaxis={"side": "left", "showgrid": False, "autorange": "reversed"},
        layout={"hovermode": "closest"},
    )


def band_sources(bands: Bands) -> go.Figure:
    """The width of the 90% band by step: what noise and dropout give, apart and together, and calibrated; per cent."""
    steps = list(range(1, len(bands.whole) + 1))
    curves = [
        ("Dropout alone", bands.dropout, RIVALS[1], "dot"),
        ("Noise alone", bands.noise, RIVALS[0], "dash"),
        ("Both, as the network gives it", bands.whole, ACCENT, "solid"),
    ]
    if bands.calibrated is not None:
        curves.append(("After calibration", bands.calibrated, RIVALS[4], "solid"))
    traces = [
        go.Scatter(
            x=steps,
            y=numbers(100 * width),
            name=name,
            line={"color": colour, "width": 2.2, "dash": dash},
            hovertemplate=f"{name.lower()} %{{y:.2f}}%<extra></extra>",
        )
        for name, width, colour, dash in curves
    ]
    return drawn(
        traces,
        xaxis={"title": axis_title("steps ahead")},
        yaxis={"title": axis_title("width, %"), "rangemode": "tozero"},
    )


def band_stretch(bands: Bands) -> go.Figure:
    """By how much calibration widens (up) or narrows (down) the 90% band of each step; per cent of its width."""
    assert bands.stretch is not None
    change = 100 * (bands.stretch - 1)
    top = (
        max(float(np.abs(change).max()), 5.0) * 1.1
    )  # a stretch of a per cent must not look like a large one
    bars = go.Bar(
        x=list(range(1, len(change) + 1)),
        y=numbers(change),
        marker={"color": [ACCENT if one >= 0 else RIVALS[4] for one in change]},
        showlegend=False,
        hovertemplate="step %{x}: width %{y:+.1f}%<extra></extra>",
    )
    return drawn(
        [bars],
        xaxis={"title": axis_title("steps ahead")},
        yaxis={
            "title": axis_title("change of width, %"),
            "range": [-top, top],
            "zeroline": True,
            "zerolinecolor": QUIET,
        },
        layout={"hovermode": "closest", "bargap": 0.35},
    )


def attention_map(explanation: Explanation, layer: int = -1) -> go.Figure:
    """Where each day looks, mean over heads, in multiples of an even spread: row a day, column the day looked at."""
    assert explanation.attention is not None
    days, weights = dates(explanation.context.timestamps), explanation.attention[layer].mean(axis=0)
    even = weights * (weights > 0).sum(axis=1, keepdims=True)
    heat = go.Heatmap(
        x=days,
        y=days,
        z=[[value or None for value in numbers(row)] for row in even],
        colorscale=OPEN,
        zmin=0.0,
        zmax=max(float(even.max()), 2.0),
        showscale=False,
        showlegend=False,
        hovertemplate="%{y|%-d %b} looks at %{x|%-d %b}: %{z:.2f} times an even share<extra></extra>",
    )
    return drawn(
        [heat],
        xaxis={"type": "date", "title": axis_title("looked at"), "nticks": 6},
        yaxis={"type": "date", "title": axis_title("looking"), "autorange": "reversed", "showgrid": False},
        layout={"hovermode": "closest"},
    )


def receptive_field(dilations: Sequence[int], *, taps: int = TAPS) -> go.Figure:
    """The tree of inputs that reach today's output through convolutions of these dilations, two of each."""
    levels = [dilation for dilation in dilations for _ in range(2)]
    seen = {0}
    x: list[float | None] = []
    y: list[float | None] = []
    dots: list[tuple[int, int]] = [(0, len(levels))]
    for depth, dilation in zip(range(len(levels), 0, -1), reversed(levels), strict=True):
        below = {back + tap * dilation for back in seen for tap in range(taps)}
        for back in sorted(seen):
            for tap in range(taps):
                x += [-back, -back - tap * dilation, None]
                y += [depth, depth - 1, None]
        seen = below
        dots += [(back, depth - 1) for back in sorted(seen)]
    lines = go.Scatter(
        x=x, y=y, mode="lines", line={"color": ACCENT_SOFT, "width": 1}, hoverinfo="skip", showlegend=False
    )
    points = go.Scatter(
        x=[-back for back, _ in dots],
        y=[depth for _, depth in dots],
        mode="markers",
        marker={"color": [ACCENT if depth else INK for _, depth in dots], "size": 4},
        hovertemplate="%{x} days<extra></extra>",
        showlegend=False,
    )
    layers = ["inputs", *(f"dilation {dilation}" for dilation in levels)]
    return drawn(
        [lines, points],
        xaxis={"title": axis_title("days from today"), "range": [-max(seen) - 1.5, 1], "showline": False},
        yaxis={"tickvals": list(range(len(layers))), "ticktext": layers, "showgrid": False},
        layout={"hovermode": "closest"},
    )


def _upright(x: int) -> dict[str, object]:
    line = {"color": MUTED, "width": 1, "dash": "dot"}
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line}


def _upright_note(x: float, text: str) -> dict[str, object]:
    place = {"x": x, "y": 1, "yref": "paper", "xanchor": "right", "yanchor": "top"}
    return {"text": f"{text} ", "showarrow": False, "font": {"size": 12, "color": MUTED}, **place}


def _log_ticks(low: float, high: float) -> dict[str, object]:
    wanted = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
    shown = [tick for tick in wanted if low <= tick <= high]
    return {"tickvals": shown, "ticktext": [f"{tick:g}" for tick in shown]}
