"""How far back a network feels: gradients by lag, and the memory experiment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.explain.memory import RECALLED, Memory
from gatecast.faces.figures.style import ACCENT, MUTED, RIVALS, axis_title, drawn, numbers

FAMILY_COLOURS = {
    "rnn": RIVALS[4],
    "gru": RIVALS[1],
    "lstm": ACCENT,
    "lstm_forget_5": RIVALS[0],
    "tcn": RIVALS[2],
    "transformer": RIVALS[5],
}
FAMILY_NAMES = {
    "rnn": "RNN",
    "gru": "GRU",
    "lstm": "LSTM",
    "lstm_forget_5": "LSTM, forget bias +5",
    "tcn": "TCN",
    "transformer": "Transformer",
}


def gradients(own: Float[np.ndarray, " time"], fresh: Mapping[str, Float[np.ndarray, " time"]]) -> go.Figure:
    """How strongly an input k days back still moves the forecast, on a logarithmic scale.

    `own` is the trained network's, `fresh` those of untrained networks by family; index k is k days back.
    """
    floor = max(float(own.max()) * 1e-12, 1e-300)
    curves = {f"{FAMILY_NAMES[kind]}, untrained": (kind, values) for kind, values in fresh.items()}
    traces = [
        go.Scatter(
            x=list(range(1, len(values) + 1)),
            y=numbers(np.maximum(values, floor)),
            name=name,
            line={"color": FAMILY_COLOURS[kind] if kind != "lstm" else MUTED, "width": 1.6, "dash": "dot"},
            hovertemplate=f"{name} %{{y:.2~e}}<extra></extra>",
        )
        for name, (kind, values) in curves.items()
    ]
    traces.append(
        go.Scatter(
            x=list(range(1, len(own) + 1)),
            y=numbers(np.maximum(own, floor)),
            name="This network",
            line={"color": ACCENT, "width": 2.6},
            hovertemplate="this network %{y:.2~e}<extra></extra>",
        )
    )
    return drawn(
        traces,
        xaxis={"title": axis_title("rows back, k")},
        yaxis={"type": "log", "title": axis_title("gradient norm"), "exponentformat": "power", "dtick": 2},
    )


def memory_errors(memory: Memory) -> go.Figure:
    """What share of a value is not recalled after k noisy steps: medians as lines, every seed a dot."""
    return _by_lag(
        memory, "error", {"title": axis_title("error, share of variance"), "rangemode": "tozero"}, RECALLED
    )


def memory_gradients(memory: Memory, *, trained: bool = False) -> go.Figure:
    """How strongly the value k steps back moves the output, before training (or after), on a logarithmic scale."""
    axis = {"type": "log", "title": axis_title("gradient norm"), "exponentformat": "power", "dtick": 5}
    return _by_lag(memory, "gradient_after" if trained else "gradient_before", axis, None)


def _by_lag(memory: Memory, column: str, axis: Mapping[str, object], mark: float | None) -> go.Figure:
    medians, traces = memory.median(column), []
    for model in memory.models:
        rows = memory.rows[memory.rows["model"] == model]
        colour = FAMILY_COLOURS[model]
        traces += [
            go.Scatter(
                x=memory.lags,
                y=numbers(np.maximum(medians.loc[model], 1e-30)),
                name=FAMILY_NAMES[model],
                line={"color": colour, "width": 2.2},
                hovertemplate=f"{FAMILY_NAMES[model]} %{{y:.2~g}}<extra></extra>",
            ),
            go.Scatter(
                x=rows["k"].tolist(),
                y=numbers(np.maximum(rows[column], 1e-30)),
                mode="markers",
                marker={"color": colour, "size": 5, "opacity": 0.45},
                hoverinfo="skip",
                showlegend=False,
            ),
        ]
    line = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
    }
    shapes = [] if mark is None else [{**line, "y0": mark, "y1": mark}]
    return drawn(
        traces,
        xaxis={"type": "log", "title": axis_title("steps to remember, k"), "tickvals": memory.lags},
        yaxis=axis,
        layout={"shapes": shapes},
    )
