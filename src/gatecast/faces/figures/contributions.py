"""What a forecast is made of: the contribution of each input, and the sources of the width of its bands."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from gatecast.explain.explanation import Bands, Explanation
from gatecast.faces.figures.palette import ACCENT, RIVALS, SIGNED, ZERO_LINE
from gatecast.faces.figures.style import axis_title, bars, dates, drawn, heat_map, line, numbers, plain, sign_colours
from gatecast.faces.names import feature_name

LEAST_POINTS = 0.01  # in the unit of the contributions: what moves a forecast by less is drawn as nothing
MOST_FEATURES = 16  # bars of a figure


def feature_contributions(explanation: Explanation) -> go.Figure:
    """What each feature, over all its lags, added to the explained number; the largest contributions."""
    points = explanation.points.sum(axis=0)
    order = np.argsort(np.abs(points))[-MOST_FEATURES:]
    small = float(np.abs(points).max()) < LEAST_POINTS
    names = [plain(feature_name(explanation.features[i])) for i in order]
    hover = f"%{{y}}: %{{x:+.2f}} {explanation.point_unit}"
    span = {"range": [-LEAST_POINTS, LEAST_POINTS]} if small else {}
    return drawn(
        [bars(numbers(points[order]), names, sign_colours(points[order]), hover, orientation="h")],
        xaxis={"title": axis_title(explanation.point_unit), "showgrid": True, **ZERO_LINE, "nticks": 6, **span},
        yaxis={"side": "left", "showgrid": False},
        layout={"hovermode": "closest", "bargap": 0.35},
    )


def contribution_map(explanation: Explanation, *, days: int = 30) -> go.Figure:
    """What each feature of each of the last days added to the explained number; features by days."""
    points = explanation.points[-days:].T
    top = max(float(np.abs(points).max()), LEAST_POINTS)
    shown = dates(explanation.context.timestamps[-days:])
    names = [plain(feature_name(feature)) for feature in explanation.features]
    hover = f"%{{y}}, %{{x|%-d %b %Y}}: %{{z:+.3f}} {explanation.point_unit}"
    return drawn(
        [heat_map(shown, names, map(numbers, points), SIGNED, (-top, top), hover)],
        xaxis={"type": "date", "nticks": 6},
        yaxis={"side": "left", "showgrid": False, "autorange": "reversed"},
        layout={"hovermode": "closest"},
    )


def is_calibrated(bands: Bands) -> bool:
    """Whether calibration changed the bands: it does not where it had too few past forecasts."""
    return bands.calibrated is not None and not np.array_equal(bands.calibrated, bands.uncalibrated)


def band_sources(bands: Bands) -> go.Figure:
    """The width of the 90% band by step: of noise, of dropout, of both; combined; calibrated; per cent."""
    curves = [
        ("Dropout alone", bands.dropout, RIVALS[1], "dot"),
        ("Noise alone", bands.noise, RIVALS[0], "dash"),
        ("Both, as the network gives it", bands.whole, ACCENT, "solid"),
    ]
    if bands.combined is not None:
        curves.append(("Combined with other models", bands.combined, RIVALS[2], "dash"))
    if bands.calibrated is not None and is_calibrated(bands):
        curves.append(("After calibration", bands.calibrated, RIVALS[4], "solid"))
    steps = range(1, len(bands.whole) + 1)
    traces = [
        line(steps, 100 * width, name, colour, dash=dash, hover=f"{name.lower()} %{{y:.2f}}%")
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
    top = 1.1 * max(float(np.abs(change).max()), 5.0)  # a change of a per cent must not look large
    steps, hover = range(1, len(change) + 1), "step %{x}: width %{y:+.1f}%"
    return drawn(
        [bars(steps, numbers(change), sign_colours(change), hover)],
        xaxis={"title": axis_title("steps ahead")},
        yaxis={"title": axis_title("change of width, %"), "range": [-top, top], **ZERO_LINE},
        layout={"hovermode": "closest", "bargap": 0.35},
    )
