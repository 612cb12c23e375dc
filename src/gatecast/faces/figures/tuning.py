"""A search for settings: its trials in order, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gatecast.faces.figures.palette import ACCENT, ACCENT_SOFT, INK, MUTED
from gatecast.faces.figures.style import axis_title, bars, drawn, line, numbers, plain

_WORST = 4.0  # times the distance from the best to the median; a trial that failed to learn must not flatten the others


def trial_scores(trials: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The CRPS of each trial, the best so far as a line; a pruned trial has the score at which it was given up.

    `trials` have `index`, `state` ("complete", "pruned", "fail"), `score` and `settings`. Far worse ones are cut off.
    """
    marks = [("complete", "Whole trial", ACCENT), ("pruned", "Pruned trial", MUTED)]
    traces = []
    for state, name, colour in marks:
        own = [trial for trial in trials if trial["state"] == state and trial["score"] is not None]
        if own:
            x, text = [trial["index"] + 1 for trial in own], [plain("  ".join(trial["settings"])) for trial in own]
            scatter = line(
                x, [trial["score"] for trial in own], name, colour, mode="markers", text=text, hoverinfo=None
            )
            traces.append(scatter.update(hovertemplate="%{y:.5f}<br>%{text}<extra></extra>"))
    whole = [trial for trial in trials if trial["state"] == "complete"]
    scores = [trial["score"] for trial in whole]
    if scores:
        best = np.minimum.accumulate(scores)
        traces.append(line([trial["index"] + 1 for trial in whole], best, "Best so far", INK, width=1.2))
    axis: dict[str, object] = {"tickformat": ".4~f"}
    if len(scores) > 1:
        low, middle = float(np.min(scores)), float(np.median(scores))
        reach = max(middle - low, 0.02 * low)
        axis["range"] = [low - 0.2 * reach, min(max(scores), low + _WORST * reach) + 0.2 * reach]
    return drawn(
        traces,
        xaxis={"title": axis_title("Trial"), "dtick": 1 if len(trials) <= 12 else None},
        yaxis=axis,
        layout={"hovermode": "closest"},
    )


def setting_importances(shares: Mapping[str, float]) -> go.Figure:
    """The share of each setting in what sets the best trials apart, the largest on top."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    places = list(range(len(ordered)))
    names = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [plain(key) for key, _ in ordered],
        "ticksuffix": "  ",
    }
    look = {"orientation": "h", "width": 0.5, "marker_line_width": 0}
    return drawn(
        [bars(numbers(share for _, share in ordered), places, ACCENT_SOFT, "%{x:.0%}", **look)],
        xaxis={"tickformat": ".0%", "rangemode": "tozero", "showgrid": True},
        yaxis={"side": "left", "showgrid": False, "tickfont": {"color": INK}, **names},
        layout={"hovermode": "closest"},
    )
