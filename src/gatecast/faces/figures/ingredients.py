"""The ingredients of the recipe, drawn with a network's own numbers: squashing, losses, weights, returns, bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.config import Config
from gatecast.explain.explanation import Cell
from gatecast.faces.figures.style import (
    ACCENT,
    BANDS,
    INK,
    MUTED,
    QUIET,
    RIVALS,
    axis_title,
    dates,
    drawn,
    numbers,
)
from gatecast.features.indicators import FeatureSpec, series_features
from gatecast.features.windows import recency_weights
from gatecast.prices import PriceSeries

FROZEN_DAYS = 30  # of equal closes put after a history to make the bands collapse
_SCHEMES = {"none": "None", "linear": "Linear", "exponential": "Exponential", "half_life": "Half-life"}


def squashing(cell: Cell | None = None) -> go.Figure:
    """Sigmoid and tanh; with a cell, where its own sums fell, as bars under the curves."""
    x = np.linspace(-6, 6, 121)
    traces: list[go.Scatter | go.Bar] = []
    if cell is not None:
        sums = np.concatenate([_sums(cell, gate) for gate in cell.bias])
        counts, edges = np.histogram(np.clip(sums, -6, 6), np.linspace(-6, 6, 49))
        traces.append(
            go.Bar(
                x=numbers((edges[1:] + edges[:-1]) / 2),
                y=numbers(counts / counts.max()),
                name="This network's sums",
                marker={"color": QUIET},
                hovertemplate="%{x:.2f}<extra></extra>",
            )
        )
    for name, values, colour in (
        ("Sigmoid", 1 / (1 + np.exp(-x)), ACCENT),
        ("tanh", np.tanh(x), RIVALS[1]),
    ):
        traces.append(
            go.Scatter(
                x=numbers(x),
                y=numbers(values),
                name=name,
                line={"color": colour, "width": 2.4},
                hovertemplate=f"{name} %{{y:.3f}}<extra></extra>",
            )
        )
    return drawn(
        traces,
        xaxis={"title": axis_title("sum of a gate"), "nticks": 7},
        yaxis={"nticks": 5},
        layout={"bargap": 0.1},
    )


def _sums(cell: Cell, gate: str) -> Float[np.ndarray, " sum"]:
    from_hidden = cell.from_hidden[gate] + cell.hidden_bias[gate]
    if cell.kind == "gru" and gate == "candidate":
        from_hidden = cell.values["reset_gate"] * from_hidden
    return np.asarray((cell.from_inputs[gate] + from_hidden + cell.bias[gate]).ravel())


def losses(errors: Float[np.ndarray, " held_out"], *, delta: float = 1.0) -> go.Figure:
    """MSE, MAE and Huber, and how often this network's held-out errors fell where; trailing volatilities."""
    edge = 5.0
    e = np.linspace(-edge, edge, 201)
    size = np.abs(e)
    counts, edges = np.histogram(np.clip(errors, -edge, edge), np.linspace(-edge, edge, 41))
    bars = go.Bar(
        x=numbers((edges[1:] + edges[:-1]) / 2),
        y=numbers(6 * counts / max(counts.max(), 1)),
        name="This network's errors",
        marker={"color": QUIET},
        hovertemplate="%{x:.2f} volatilities<extra></extra>",
    )
    curves = (
        ("MSE", e**2, RIVALS[4], "dot"),
        ("MAE", size, RIVALS[0], "dash"),
        (
            f"Huber, delta {delta:g}",
            np.where(size <= delta, e**2 / 2, delta * (size - delta / 2)),
            ACCENT,
            "solid",
        ),
    )
    lines = [
        go.Scatter(
            x=numbers(e),
            y=numbers(loss),
            name=name,
            line={"color": colour, "width": 2.2, "dash": dash},
            hovertemplate=f"{name} %{{y:.2f}}<extra></extra>",
        )
        for name, loss, colour, dash in curves
    ]
    return drawn(
        [bars, *lines],
        xaxis={"title": axis_title("error, in daily volatilities"), "nticks": 7},
        yaxis={"range": [0, 8], "title": axis_title("loss")},
        layout={"bargap": 0.1},
    )


def recency(stamps: np.ndarray, config: Config) -> go.Figure:
    """How much each day counts in training under each scheme; the one in use is drawn strong."""
    shown = stamps[np.unique(np.linspace(0, len(stamps) - 1, 200).round().astype(int))]
    colours = {"none": MUTED, "linear": RIVALS[0], "exponential": RIVALS[1], "half_life": RIVALS[2]}
    traces = []
    for scheme, name in _SCHEMES.items():
        used = scheme == config.weights
        weights = recency_weights(shown, config.replace(weights=scheme))
        traces.append(
            go.Scatter(
                x=dates(shown),
                y=numbers(weights),
                name=f"{name} (in use)" if used else name,
                line={"color": ACCENT if used else colours[scheme], "width": 2.8 if used else 1.5},
                hovertemplate=f"{name.lower()} %{{y:.2f}}<extra></extra>",
            )
        )
    axis = {"type": "date", "hoverformat": "%-d %b %Y", "nticks": 6}
    return drawn(traces, xaxis=axis, yaxis={"title": axis_title("weight"), "rangemode": "tozero"})


def price_and_returns(series: PriceSeries) -> go.Figure:
    """The price, which wanders, above its log returns, which stay; per cent."""
    rows = np.unique(np.linspace(0, len(series) - 1, min(len(series), 1500)).round().astype(int))
    returns = 100 * np.diff(np.log(series.close), prepend=np.log(series.close[0]))
    price = go.Scatter(
        x=dates(series.timestamps[rows]),
        y=numbers(series.close[rows]),
        name="Price",
        line={"color": INK, "width": 1.4},
        hovertemplate="close %{y:,.6~g}<extra></extra>",
    )
    moves = go.Scatter(
        x=dates(series.timestamps[rows]),
        y=numbers(returns[rows]),
        name="Log return, %",
        yaxis="y2",
        line={"color": ACCENT, "width": 0.8},
        hovertemplate="%{y:+.2f}%<extra></extra>",
    )
    lower = {"domain": [0, 0.42], "side": "right", "zeroline": False, "automargin": True, "nticks": 4}
    return drawn(
        [price, moves],
        xaxis={"type": "date", "anchor": "y2", "hoverformat": "%-d %b %Y", "nticks": 6},
        yaxis={"domain": [0.54, 1], "nticks": 4},
        layout={"yaxis2": lower, "hovermode": "x"},
    )


def collapsed_bands(series: PriceSeries) -> go.Figure:
    """Bollinger position when the last 60 closes are followed by 30 equal ones: guarded, and by the plain formula.

    Above, price and bands; below, the position. When 20 closes are equal the bands have no width.
    """
    frozen = _frozen(series.rows(max(len(series) - 60, 0), len(series)))
    spec, days = FeatureSpec(), np.arange(1 - len(frozen) + FROZEN_DAYS, FROZEN_DAYS + 1).tolist()
    at = spec.names.index("bollinger_position")
    guarded = series_features(frozen, spec)[:, at]
    plain = series_features(frozen, replace(spec, bollinger_guard=False))[:, at]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(frozen.close, (19, 0), mode="edge"), 20)
    mean, spread = windows.mean(axis=1), 2 * windows.std(axis=1)
    edges = numbers([*(mean - spread), *(mean + spread)[::-1]])
    traces = [
        go.Scatter(
            x=days + days[::-1],
            y=edges,
            fill="toself",
            fillcolor=BANDS[1],
            line={"width": 0, "color": ACCENT},
            name="Bands",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=days, y=numbers(frozen.close), name="Close", line={"color": INK, "width": 1.6}, hoverinfo="skip"
        ),
        go.Scatter(
            x=days,
            y=numbers(np.clip(np.nan_to_num(plain, nan=np.nan, posinf=1.6, neginf=-0.6), -0.6, 1.6)),
            yaxis="y2",
            name="Plain formula",
            line={"color": QUIET, "width": 7},
            hovertemplate="plain %{y:.2f}<extra></extra>",
        ),
        go.Scatter(
            x=days,
            y=numbers(guarded),
            yaxis="y2",
            name="Guarded",
            line={"color": ACCENT, "width": 2},
            hovertemplate="guarded %{y:.2f}<extra></extra>",
        ),
    ]
    hole = {
        "x": 19,
        "y": 0.5,
        "yref": "y2",
        "text": "0 / 0",
        "ay": -22,
        "ax": 0,
        "arrowcolor": MUTED,
        "arrowsize": 0.8,
    }
    lower = {"domain": [0, 0.4], "side": "right", "zeroline": False, "automargin": True, "nticks": 4}
    return drawn(
        traces,
        xaxis={"anchor": "y2", "title": axis_title("days; after 0 the price stands still")},
        yaxis={"domain": [0.5, 1], "nticks": 4},
        layout={"yaxis2": lower, "hovermode": "x", "annotations": [hole]},
    )


def _frozen(tail: PriceSeries) -> PriceSeries:
    """The history and then FROZEN_DAYS more days at its last close."""
    stamps = tail.timestamps[-1] + np.arange(1, FROZEN_DAYS + 1) * np.timedelta64(1, "D")
    return PriceSeries(
        item_id=tail.item_id,
        timestamps=np.concatenate([tail.timestamps, stamps]),
        close=np.append(tail.close, np.full(FROZEN_DAYS, tail.close[-1])),
    )
