"""How far back a network remembers: gradients by lag, and the memory experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.explain.memory import RECALLED, Memory
from gatecast.faces.figures.palette import ACCENT, MUTED, RIVALS
from gatecast.faces.figures.style import axis_title, dots, dotted, drawn, line, numbers
from gatecast.faces.names import FAMILY_NAMES

FAMILY_COLOURS = {
    "rnn": RIVALS[4],
    "gru": RIVALS[1],
    "lstm": ACCENT,
    "lstm_forget_5": RIVALS[0],
    "tcn": RIVALS[2],
    "transformer": RIVALS[5],
}
_NORM = {"type": "log", "title": axis_title("gradient norm"), "exponentformat": "power"}


def gradients(own: Float[np.ndarray, " time"], fresh: Mapping[str, Float[np.ndarray, " time"]]) -> go.Figure:
    """How strongly an input k days back still moves the forecast, on a logarithmic scale.

    `own` is the trained network's, `fresh` those of untrained networks by family; index k is k days back.
    """
    floor = max(float(own.max()) * 1e-12, 1e-300)

    def curve(values: Float[np.ndarray, " time"], name: str, colour: str, **look: Any) -> go.Scatter:
        lags, hover = range(1, len(values) + 1), f"{name} %{{y:.2~e}}"
        return line(lags, np.maximum(values, floor), name, colour, hover=hover, **look)

    colours = {**FAMILY_COLOURS, "lstm": MUTED}
    untrained = [
        curve(values, f"{FAMILY_NAMES[kind]}, untrained", colours[kind], width=1.6, dash="dot")
        for kind, values in fresh.items()
    ]
    return drawn(
        [*untrained, curve(own, "This network", ACCENT, width=2.6)],
        xaxis={"title": axis_title("rows back, k")},
        yaxis={**_NORM, "dtick": 2},
    )


def memory_errors(memory: Memory) -> go.Figure:
    """What share of a value is not recalled after k noisy steps: medians as lines, every seed a dot."""
    axis = {"title": axis_title("error, share of variance"), "rangemode": "tozero"}
    return _by_lag(memory, "error", axis, [dotted(0, RECALLED, 1, RECALLED, xref="paper")])


def memory_gradients(memory: Memory, *, trained: bool = False) -> go.Figure:
    """How strongly the value k steps back moves the output, before training (or after), on a logarithmic scale."""
    return _by_lag(memory, "gradient_after" if trained else "gradient_before", {**_NORM, "dtick": 5}, [])


def _by_lag(memory: Memory, column: str, axis: Mapping[str, object], shapes: list[dict[str, object]]) -> go.Figure:
    medians, traces = memory.median(column), []
    for model in memory.models:
        rows, name = memory.rows[memory.rows["model"] == model], FAMILY_NAMES[model]
        hover, values = f"{name} %{{y:.2~g}}", np.maximum(medians.loc[model], 1e-30)
        look = {"color": FAMILY_COLOURS[model], "size": 5, "opacity": 0.45}
        seeds = dots(rows["k"].tolist(), numbers(np.maximum(rows[column], 1e-30)), look)
        median = line(memory.lags, values, name, FAMILY_COLOURS[model], hover=hover, mode="lines+markers")
        traces += [median, seeds]
    return drawn(
        traces,
        xaxis={"type": "log", "title": axis_title("steps to remember, k"), "tickvals": memory.lags},
        yaxis=axis,
        layout={"shapes": shapes},
    )
