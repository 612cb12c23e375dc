"""The record of issued forecasts over time: scores against rivals, what the bands held, and the place in the fan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from gatecast.faces.figures.palette import ACCENT, ACCENT_SOFT, INK, MUTED, QUIET, RIVALS
from gatecast.faces.figures.style import axis_title, bars, dots, dotted, drawn, line, numbers

_RIVALS = {
    "random_walk": ("Random walk", INK, "dash"),
    "har": ("HAR", RIVALS[0], "solid"),
    "garch": ("GARCH", RIVALS[1], "solid"),
}
_NORMAL = 1.96  # standard errors on each side of a 95% interval
_Parts = Sequence[Mapping[str, Any]]


def crps_over_time(parts: _Parts) -> go.Figure:
    """The CRPS of each period and that of the rivals on the same days, per cent of the price.

    `parts` are documents of `ledger.periods.score_by_period`. The whisker is the 95% interval of the difference to the
    random walk, drawn on the forecast's score: where it does not reach the walk's line the difference is no luck.
    """
    days = [part["last"] for part in parts]
    traces = []
    for rival, (name, colour, dash) in _RIVALS.items():
        scores = [_of(part, rival, "crps_rival") for part in parts]
        if any(score is not None for score in scores):
            hover = f"{name} %{{y:.3f}}%"
            values = [float("nan") if score is None else 100 * score for score in scores]
            traces.append(line(days, values, name, colour, width=1.4, dash=dash, hover=hover, connectgaps=False))
    reach = [_reach(part) for part in parts]
    whiskers = {"type": "data", "array": numbers(reach), "color": MUTED, "thickness": 1, "width": 4}
    mode = "lines+markers"
    marks = {"color": _colours(parts), "size": 8}
    own: list[float] = [100 * part["crps"] for part in parts]
    hover = "gatecast %{y:.3f}%"
    traces.append(
        line(days, own, "gatecast", ACCENT, width=2.4, mode=mode, marker=marks, error_y=whiskers, hover=hover)
    )
    return drawn(traces, xaxis={"type": "date"}, yaxis={"ticksuffix": "%", "rangemode": "tozero"})


def _of(part: Mapping[str, Any], rival: str, what: str) -> float | None:
    return next((each[what] for each in part["against"] if each["rival"] == rival), None)


def _reach(part: Mapping[str, Any]) -> float:
    """Half the interval of the difference to the random walk, per cent; nan where the days cannot tell."""
    for each in part["against"]:
        if each["rival"] == "random_walk" and each["dm"]:
            return float(100 * _NORMAL * abs((each["crps_rival"] - each["crps"]) / each["dm"]))
    return float("nan")


def _colours(parts: _Parts) -> list[str]:
    """Grey for periods with too few days to tell."""
    return [ACCENT if part["enough"] else QUIET for part in parts]


def coverage_over_time(parts: _Parts, *, level: int = 90) -> go.Figure:
    """The share of prices that the band held in each period, with its 95% interval, against what it states."""
    bands = [next(band for band in part["coverage"] if band["level"] == level) for part in parts]
    days = [part["last"] for part in parts]
    up = [band["high"] - band["held"] for band in bands]
    down = [band["held"] - band["low"] for band in bands]
    whiskers = {
        "type": "data", "symmetric": False, "array": numbers(up), "arrayminus": numbers(down),
        "color": MUTED, "thickness": 1, "width": 4,
    }  # fmt: skip
    look: dict[str, object] = {"color": _colours(parts), "size": 9}
    held = numbers(band["held"] for band in bands)
    trace = dots(days, held, look, "held %{y:.1%}", error_y=whiskers)
    ends = {"xref": "paper"}
    return drawn(
        [trace],
        xaxis={"type": "date"},
        yaxis={"tickformat": ".0%", "range": [min([0.6, *(band["low"] - 0.02 for band in bands)]), 1.005]},
        layout={"hovermode": "closest", "shapes": [dotted(0, level / 100, 1, level / 100, **ends)]},
    )


def recorded_pit(part: Mapping[str, Any]) -> go.Figure:
    """The share of prices in each tenth of their fan, bottom to top: even where the bands hold what they state."""
    shares = part["pit"]
    count = len(shares)
    middles = [(place + 0.5) / count for place in range(count)]
    return drawn(
        [bars(middles, numbers(shares), ACCENT_SOFT, "%{y:.1%}", width=0.86 / count, marker_line_width=0)],
        xaxis={"range": [0, 1], "tickformat": ".0%", "title": axis_title("Place in the fan, bottom to top")},
        yaxis={"tickformat": ".0%", "rangemode": "tozero"},
        layout={"hovermode": "closest", "shapes": [dotted(0, 1 / count, 1, 1 / count)]},
    )
