"""The ingredients of the recipe with a network's own numbers: squashing, losses, weights, returns, Bollinger bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.config import Config
from gatecast.explain.explanation import Cell
from gatecast.faces.figures.palette import ACCENT, BANDS, INK, MUTED, QUIET, RIVALS
from gatecast.faces.figures.style import axis_title, band, bars, dates, drawn, line, numbers
from gatecast.features.indicators import FeatureSpec, series_features
from gatecast.features.windows import recency_weights
from gatecast.prices import PriceSeries

FROZEN_DAYS = 30  # of equal closes put after a history to make the bands collapse
# Name and colour of each scheme; the scheme in use has the accent colour.
_SCHEMES = {
    "none": ("None", MUTED),
    "linear": ("Linear", RIVALS[0]),
    "exponential": ("Exponential", RIVALS[1]),
    "half_life": ("Half-life", RIVALS[2]),
}
_LOWER = {"side": "right", "zeroline": False, "automargin": True, "nticks": 4}  # the lower of two stacked charts


def squashing(cell: Cell | None = None) -> go.Figure:
    """Sigmoid and tanh; with a cell, how often its gates' sums have each value, as bars under the curves."""
    x = np.linspace(-6, 6, 121)
    traces: list[go.Scatter | go.Bar] = []
    if cell is not None:
        sums = np.concatenate([_sums(cell, gate) for gate in cell.bias])
        traces.append(_histogram(sums, 6.0, 48, 1.0, "This network's sums", "%{x:.2f}"))
    for name, values, colour in (("Sigmoid", 1 / (1 + np.exp(-x)), ACCENT), ("tanh", np.tanh(x), RIVALS[1])):
        traces.append(line(numbers(x), values, name, colour, width=2.4, hover=f"{name} %{{y:.3f}}"))
    return drawn(
        traces, xaxis={"title": axis_title("sum of a gate"), "nticks": 7}, yaxis={"nticks": 5}, layout={"bargap": 0.1}
    )


def _histogram(
    values: Float[np.ndarray, " value"], edge: float, count: int, height: float, name: str, hover: str
) -> go.Bar:
    """Bars of how often each value occurs, the highest at `height`; values beyond the edge in the last bins."""
    counts, edges = np.histogram(np.clip(values, -edge, edge), np.linspace(-edge, edge, count + 1))
    heights = numbers(height * counts / max(counts.max(), 1))
    return bars(numbers((edges[1:] + edges[:-1]) / 2), heights, QUIET, hover, name=name)


def _sums(cell: Cell, gate: str) -> Float[np.ndarray, " sum"]:
    from_hidden = cell.from_hidden[gate] + cell.hidden_bias[gate]
    if cell.kind == "gru" and gate == "candidate":
        from_hidden = cell.values["reset_gate"] * from_hidden
    return np.asarray((cell.from_inputs[gate] + from_hidden + cell.bias[gate]).ravel())


def losses(errors: Float[np.ndarray, " held_out"], *, delta: float = 1.0) -> go.Figure:
    """MSE, MAE and Huber, and how often this network's held-out errors have each size; trailing volatilities."""
    edge = 5.0
    error = np.linspace(-edge, edge, 201)
    size = np.abs(error)
    huber = np.where(size <= delta, error**2 / 2, delta * (size - delta / 2))
    curves = (
        ("MSE", error**2, RIVALS[4], "dot"),
        ("MAE", size, RIVALS[0], "dash"),
        (f"Huber, delta {delta:g}", huber, ACCENT, "solid"),
    )
    return drawn(
        [
            _histogram(errors, edge, 40, 6.0, "This network's errors", "%{x:.2f} volatilities"),
            *(
                line(numbers(error), loss, name, colour, dash=dash, hover=f"{name} %{{y:.2f}}")
                for name, loss, colour, dash in curves
            ),
        ],
        xaxis={"title": axis_title("error, in daily volatilities"), "nticks": 7},
        yaxis={"range": [0, 8], "title": axis_title("loss")},
        layout={"bargap": 0.1},
    )


def recency(stamps: np.ndarray, config: Config) -> go.Figure:
    """How much each day counts in training under each scheme; a thick line marks the scheme in use."""
    shown = stamps[np.unique(np.linspace(0, len(stamps) - 1, 200).round().astype(int))]
    traces = []
    for scheme, (name, colour) in _SCHEMES.items():
        weights = recency_weights(shown, config.replace(weights=scheme))
        used, hover = scheme == config.weights, f"{name.lower()} %{{y:.2f}}"
        label, width = (f"{name} (in use)", 2.8) if used else (name, 1.5)
        traces.append(line(dates(shown), weights, label, ACCENT if used else colour, width=width, hover=hover))
    axis = {"type": "date", "hoverformat": "%-d %b %Y", "nticks": 6}
    return drawn(traces, xaxis=axis, yaxis={"title": axis_title("weight"), "rangemode": "tozero"})


def price_and_returns(series: PriceSeries) -> go.Figure:
    """The price, which drifts to new levels, above its log returns, which keep their level; per cent."""
    rows = np.unique(np.linspace(0, len(series) - 1, min(len(series), 1500)).round().astype(int))
    returns = 100 * np.diff(np.log(series.close), prepend=np.log(series.close[0]))
    days, close, move = dates(series.timestamps[rows]), series.close[rows], returns[rows]
    return drawn(
        [
            line(days, close, "Price", INK, width=1.4, hover="close %{y:,.6~g}"),
            line(days, move, "Log return, %", ACCENT, width=0.8, hover="%{y:+.2f}%", yaxis="y2"),
        ],
        xaxis={"type": "date", "anchor": "y2", "hoverformat": "%-d %b %Y", "nticks": 6},
        yaxis={"domain": [0.54, 1], "nticks": 4},
        layout={"yaxis2": {**_LOWER, "domain": [0, 0.42]}, "hovermode": "x"},
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
    plain = np.clip(np.nan_to_num(plain, nan=np.nan, posinf=1.6, neginf=-0.6), -0.6, 1.6)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(frozen.close, (19, 0), mode="edge"), 20)
    mean, spread = windows.mean(axis=1), 2 * windows.std(axis=1)
    position = {"yaxis": "y2", "hover": "%{fullData.name} %{y:.2f}"}
    hole = {"x": 19, "y": 0.5, "yref": "y2", "text": "0 / 0", "ay": -22, "ax": 0}
    return drawn(
        [
            band(days, mean - spread, mean + spread, "Bands", BANDS[1]),
            line(days, frozen.close, "Close", INK, width=1.6),
            line(days, plain, "Plain formula", QUIET, width=7.0, **position),
            line(days, guarded, "Guarded", ACCENT, width=2.0, **position),
        ],
        xaxis={"anchor": "y2", "title": axis_title("days; after 0 the price stands still")},
        yaxis={"domain": [0.5, 1], "nticks": 4},
        layout={
            "yaxis2": {**_LOWER, "domain": [0, 0.4]},
            "hovermode": "x",
            "annotations": [{**hole, "arrowcolor": MUTED, "arrowsize": 0.8}],
        },
    )


def _frozen(tail: PriceSeries) -> PriceSeries:
    """The history and then FROZEN_DAYS more days at its last close."""
    stamps = tail.timestamps[-1] + np.arange(1, FROZEN_DAYS + 1) * np.timedelta64(1, "D")
    return PriceSeries(
        item_id=tail.item_id,
        timestamps=np.concatenate([tail.timestamps, stamps]),
        close=np.append(tail.close, np.full(FROZEN_DAYS, tail.close[-1])),
    )
