"""The results of a walk-forward test: skill, scores by step, reliability, PIT and ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float
from scipy import stats

from gatecast.faces.figures.palette import ACCENT, ACCENT_SOFT, BANDS, INK, MUTED, QUIET, RIVALS
from gatecast.faces.figures.style import axis_title, band, bars, dotted, drawn, line, numbers, plain, short_name
from gatecast.forecast import QUANTILES
from gatecast.judge.comparisons import RANDOM_WALK, overlap_of, subject_of
from gatecast.judge.significance import coverage_interval

_Values = Float[np.ndarray, " bars"]
_FARTHEST = 0.4  # share of the score at which bars are cut


def score_by_step(scores: pd.DataFrame, *, score: str = "crps", against: str = RANDOM_WALK) -> go.Figure:
    """By step, the share by which each model's score is smaller than that of `against`; without it, the score.

    `scores` has columns `model`, `step` ("all" or 1..horizon) and the score, of which smaller is better.
    """
    single = scores[scores["step"].astype(str) != "all"]
    models = list(dict.fromkeys(single["model"]))
    table = single.pivot(index="step", columns="model", values=score).sort_index()
    relative = against in models
    if relative:
        table = 1 - table.div(table[against].where(table[against] > 0), axis=0)
    steps, edge = [int(step) for step in table.index], 0.03 * len(table)
    hover, mode = "%{y:+.1%}" if relative else "%{y:.4~g}", "lines+markers" if len(steps) < 3 else "lines"
    traces = [
        line(steps, table[model], plain(model), hoverinfo=None, hovertemplate=hover, mode=mode, **look)
        for model, look in _looks(models).items()
    ]
    axis = {"dtick": 1 if len(steps) <= 12 else None, "range": [1 - edge, len(steps) + edge]}
    return drawn(
        traces, xaxis={"title": axis_title("Step"), **axis}, yaxis={"tickformat": ".1~%" if relative else ".3~g"}
    )


def _looks(models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The line of each model: the subject in the accent colour and drawn last, the random walk in ink and dashed."""
    subject = subject_of(list(models))
    others = [model for model in models if model not in (subject, RANDOM_WALK)]
    colours = {model: RIVALS[i % len(RIVALS)] for i, model in enumerate(others)}
    colours |= {RANDOM_WALK: INK, subject: ACCENT}
    return {
        model: {
            "colour": colours[model],
            "width": 2.6 if model == subject else 1.4,
            "dash": "dash" if model == RANDOM_WALK else "solid",
        }
        for model in sorted(models, key=lambda model: model == subject)
    }


def reliability(forecasts: pd.DataFrame) -> go.Figure:
    """How often the price fell below each forecast quantile, against how often it should have.

    The shaded interval (95%) is the subject's, and allows for forecasts that overlap or move together
    (`significance.coverage_interval`). `forecasts` has the columns of `scores.COLUMNS`.
    """
    models, levels = list(dict.fromkeys(forecasts["model"])), list(QUANTILES.values())
    traces = [
        line([0, 1], [0.0, 1.0], "Ideal", MUTED, width=1.0, dash="dot"),
        _reliability_interval(forecasts[forecasts["model"] == subject_of(models)]),
    ]
    for model, look in _looks(models).items():
        rows = forecasts[forecasts["model"] == model]
        shares = [float((rows["actual"] <= rows[name]).mean()) for name in QUANTILES]
        traces.append(line(levels, shares, plain(model), hoverinfo=None, hovertemplate="%{y:.0%}", **look))
    share = {"range": [0, 1], "tickformat": ".0%"}
    return drawn(traces, xaxis={**share, "title": axis_title("Should fall below")}, yaxis=share)


def _reliability_interval(rows: pd.DataFrame) -> go.Scatter:
    """A band over the levels that have prices on both sides of the quantile; elsewhere there is no interval."""
    cutoffs, overlap = rows["cutoff"].to_numpy(), overlap_of(rows)
    below = {level: (rows["actual"] <= rows[name]).to_numpy(dtype=float) for name, level in QUANTILES.items()}
    ends = {
        level: coverage_interval(hits, cutoffs, overlap=overlap)[1:]
        for level, hits in below.items()
        if 0 < hits.sum() < len(hits)
    }
    low, high = [low for low, _ in ends.values()], [high for _, high in ends.values()]
    return band(list(ends), low, high, "95% interval", BANDS[2])


def pit_histogram(forecasts: pd.DataFrame, *, model: str | None = None, bins: int = 10) -> go.Figure:
    """The place of each price in its fan: equally often in each tenth where the bands hold what they state.

    Whiskers are 95% intervals that allow for overlapping forecasts. `model` is the subject unless named.
    """
    models = list(dict.fromkeys(forecasts["model"]))
    rows = forecasts[forecasts["model"] == (subject_of(models) if model is None else model)]
    place = np.minimum((rows["pit"].to_numpy() * bins).astype(int), bins - 1)
    cutoffs, overlap = rows["cutoff"].to_numpy(), overlap_of(rows)
    shares, low, high = np.transpose(
        [coverage_interval((place == k).astype(float), cutoffs, overlap=overlap) for k in range(bins)]
    )
    look = {"width": 0.86 / bins, "marker_line_width": 0, "name": "Share of prices"}
    whiskers = _whiskers(shares, low, high, thickness=1, width=3)
    middles = [(k + 0.5) / bins for k in range(bins)]
    return drawn(
        [bars(middles, numbers(shares), ACCENT_SOFT, "%{y:.1%}", error_y=whiskers, **look)],
        xaxis={"range": [0, 1], "tickformat": ".0%", "title": axis_title("Place in the fan, bottom to top")},
        yaxis={"tickformat": ".0%", "rangemode": "tozero"},
        layout={"hovermode": "closest", "shapes": [dotted(0, 1 / bins, 1, 1 / bins)]},
    )


def _whiskers(value: _Values, low: _Values, high: _Values, **look: float | int) -> dict[str, object]:
    """The interval of each bar."""
    reach = {"array": numbers(high - value), "arrayminus": numbers(value - low)}
    return {"type": "data", "symmetric": False, "color": MUTED, **reach, **look}


def skill_bars(tests: pd.DataFrame, *, loss: str = "crps", subject: str | None = None) -> go.Figure:
    """The share by which each model's loss is smaller than the random walk's, with its 95% interval.

    `tests` are the rows of `comparisons.compare`; the interval is that of the Diebold-Mariano test.
    """
    rows = tests[(tests["loss"] == loss) & (tests["step"].astype(str) == "all") & (tests["against"] == RANDOM_WALK)]
    base = rows["mean_loss_against"].to_numpy(dtype=float)
    gain = base - rows["mean_loss"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(gain / rows["dm"].to_numpy(dtype=float))
        reach = stats.t.ppf(0.975, np.maximum(rows["n"].to_numpy(dtype=float) - 1, 1)) * error / base
        value = gain / base
    table = pd.DataFrame({"name": rows["model"], "value": value, "low": value - reach, "high": value + reach})
    table = table.sort_values("value", kind="stable")
    first = subject if subject is not None else next(iter(rows["model"]), "")
    return _bar_chart(table, [ACCENT if name == first else QUIET for name in table["name"]])


def ablation_bars(rows: Sequence[Mapping[str, object]]) -> go.Figure:
    """What turning each improvement off does to the score: to the right of zero, the improvement helps.

    Each row has `switch`, `change`, `low`, `high` (shares of the full model's score, 0.02: 2% larger without
    the switch; smaller scores are better) and `word`: "helps", "no difference", "cannot tell" or "hurts".
    """
    columns = {"name": "switch", "value": "change", "low": "low", "high": "high", "word": "word"}
    table = pd.DataFrame({name: [row[key] for row in reversed(rows)] for name, key in columns.items()})
    return _bar_chart(table, [ACCENT if word == "helps" else QUIET for word in table["word"]])


def _bar_chart(table: pd.DataFrame, colours: list[str]) -> go.Figure:
    """Horizontal bars from zero with whiskers; the first row at the bottom."""
    value, low, high = (table[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    places = list(range(len(table)))
    look = {"orientation": "h", "width": 0.5, "marker_line_width": 0}
    whiskers = _whiskers(value, low, high, thickness=1.2, width=4)
    names = {"tickmode": "array", "tickvals": places, "ticktext": _labels(table), "ticksuffix": "  "}
    zero = {"zeroline": True, "zerolinecolor": MUTED, "zerolinewidth": 1}
    reach = _range(np.fmin(low, value), np.fmax(high, value))
    return drawn(
        [bars(numbers(value), places, colours, "%{x:+.1%}", error_x=whiskers, **look)],
        xaxis={"tickformat": ".1~%", "range": reach, "showgrid": True, **zero},
        yaxis={"side": "left", "showgrid": False, "tickfont": {"color": INK}, **names},
        layout={"hovermode": "closest"},
    )


def _range(low: _Values, high: _Values) -> list[float]:
    """All whiskers and zero, but for what lies beyond 40%: a very bad rival must not flatten the others."""
    left = max(float(np.nanmin(low, initial=0.0)), -_FARTHEST)
    right = min(float(np.nanmax(high, initial=0.0)), _FARTHEST)
    edge = 0.04 * (right - left) or 0.01
    return [left - edge, right + edge]


def _labels(table: pd.DataFrame) -> list[str]:
    """The names beside the bars, with the finding in words below where there is a finding."""
    names = [short_name(name) for name in table["name"]]
    if "word" not in table:
        return [plain(name) for name in names]
    return [f"{plain(name)}<br>{plain(str(word))}" for name, word in zip(names, table["word"], strict=True)]
