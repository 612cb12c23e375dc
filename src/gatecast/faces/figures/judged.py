"""What a walk-forward test found, drawn: skill, scores by step, reliability, PIT and ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float
from scipy import stats

from gatecast.faces.figures.style import (
    ACCENT,
    ACCENT_SOFT,
    BANDS,
    INK,
    MUTED,
    QUIET,
    RIVALS,
    axis_title,
    drawn,
    numbers,
    plain,
)
from gatecast.forecast import QUANTILES
from gatecast.judge.comparisons import RANDOM_WALK, overlap_of, subject_of
from gatecast.judge.significance import coverage_interval

_FARTHEST = 0.4  # share of the score at which bars are cut
_NAME_LENGTH = 26  # characters of a model's name beside its bar; a phone has room for no more


def model_colours(models: Sequence[str]) -> dict[str, str]:
    """The subject in the accent colour, the random walk in ink, every other model in one of its own."""
    subject = subject_of(list(models))
    others = [model for model in models if model not in (subject, RANDOM_WALK)]
    colours = {model: RIVALS[i % len(RIVALS)] for i, model in enumerate(others)}
    return {**colours, RANDOM_WALK: INK, subject: ACCENT}


def score_by_step(scores: pd.DataFrame, *, score: str = "crps", against: str = RANDOM_WALK) -> go.Figure:
    """By step, the share by which each model's score is smaller than that of `against`; as it is without one.

    `scores` has columns `model`, `step` ("all" or 1..horizon) and the score, of which smaller is better.
    """
    single = scores[scores["step"].astype(str) != "all"]
    models = list(dict.fromkeys(single["model"]))
    table = single.pivot(index="step", columns="model", values=score).sort_index()
    relative = against in models
    if relative:
        table = 1 - table.div(table[against].where(table[against] > 0), axis=0)
    colours, steps, edge = model_colours(models), len(table), 0.03 * len(table)
    traces = [
        go.Scatter(
            x=[int(step) for step in table.index],
            y=numbers(table[model]),
            name=plain(model),
            mode="lines+markers" if steps < 3 else "lines",
            line=_line(model, models, colours),
            hovertemplate="%{y:+.1%}" if relative else "%{y:.4~g}",
        )
        for model in _subject_last(models)
    ]
    return drawn(
        traces,
        xaxis={
            "title": axis_title("Step"),
            "dtick": 1 if steps <= 12 else None,
            "range": [1 - edge, steps + edge],
        },
        yaxis={"tickformat": ".1~%" if relative else ".3~g"},
    )


def _subject_last(models: Sequence[str]) -> list[str]:
    """The subject is drawn over the others."""
    subject = subject_of(list(models))
    return [*(model for model in models if model != subject), subject]


def _line(model: str, models: Sequence[str], colours: Mapping[str, str]) -> dict[str, object]:
    width = 2.6 if model == subject_of(list(models)) else 1.4
    return {"color": colours[model], "width": width, "dash": "dash" if model == RANDOM_WALK else "solid"}


def reliability(forecasts: pd.DataFrame) -> go.Figure:
    """How often the price fell below each forecast quantile, against how often it should have.

    The shaded interval (95%) is the subject's, and allows for forecasts that overlap or move together
    (`significance.coverage_interval`). `forecasts` has the columns of `scores.COLUMNS`.
    """
    models = list(dict.fromkeys(forecasts["model"]))
    levels, colours = list(QUANTILES.values()), model_colours(models)
    diagonal = go.Scatter(
        x=[0, 1],
        y=[0, 1],
        name="Honest",
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )
    traces = [diagonal, _reliability_interval(forecasts[forecasts["model"] == subject_of(models)])]
    for model in _subject_last(models):
        rows = forecasts[forecasts["model"] == model]
        shares = [float((rows["actual"] <= rows[name]).mean()) for name in QUANTILES]
        traces.append(
            go.Scatter(
                x=levels,
                y=numbers(shares),
                name=plain(model),
                mode="lines",
                line=_line(model, models, colours),
                hovertemplate="%{y:.0%}",
            )
        )
    share = {"range": [0, 1], "tickformat": ".0%"}
    return drawn(traces, xaxis={**share, "title": axis_title("Should fall below")}, yaxis=share)


def _reliability_interval(rows: pd.DataFrame) -> go.Scatter:
    """A band over the levels with prices on both sides of the quantile; elsewhere no interval has a shape."""
    cutoffs, overlap = rows["cutoff"].to_numpy(), overlap_of(rows)
    below = {level: (rows["actual"] <= rows[name]).to_numpy(dtype=float) for name, level in QUANTILES.items()}
    ends = {
        level: coverage_interval(hits, cutoffs, overlap=overlap)[1:]
        for level, hits in below.items()
        if 0 < hits.sum() < len(hits)
    }
    levels, low, high = list(ends), [one for one, _ in ends.values()], [one for _, one in ends.values()]
    return go.Scatter(
        x=levels + levels[::-1],
        y=numbers([*high, *low[::-1]]),
        name="95% interval",
        mode="lines",
        fill="toself",
        fillcolor=BANDS[2],
        line={"width": 0, "color": ACCENT},
        hoverinfo="skip",
    )


def pit_histogram(forecasts: pd.DataFrame, *, model: str | None = None, bins: int = 10) -> go.Figure:
    """Where in its fan the price fell: equally often in each tenth if the fan is honest.

    Whiskers are 95% intervals that allow for overlapping forecasts. `model` is the subject unless named.
    """
    models = list(dict.fromkeys(forecasts["model"]))
    rows = forecasts[forecasts["model"] == (subject_of(models) if model is None else model)]
    place = np.minimum((rows["pit"].to_numpy() * bins).astype(int), bins - 1)
    cutoffs, overlap = rows["cutoff"].to_numpy(), overlap_of(rows)
    found = np.array(
        [coverage_interval((place == one).astype(float), cutoffs, overlap=overlap) for one in range(bins)]
    )
    shares = go.Bar(
        x=[(one + 0.5) / bins for one in range(bins)],
        y=numbers(found[:, 0]),
        width=0.86 / bins,
        name="Share of outcomes",
        marker={"color": ACCENT_SOFT, "line": {"width": 0}},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": numbers(found[:, 2] - found[:, 0]),
            "arrayminus": numbers(found[:, 0] - found[:, 1]),
            "color": MUTED,
            "thickness": 1,
            "width": 3,
        },
        hovertemplate="%{y:.1%}<extra></extra>",
    )
    even = {"type": "line", "x0": 0, "x1": 1, "y0": 1 / bins, "y1": 1 / bins}
    return drawn(
        [shares],
        xaxis={"range": [0, 1], "tickformat": ".0%", "title": axis_title("Place in the fan, bottom to top")},
        yaxis={"tickformat": ".0%", "rangemode": "tozero"},
        layout={
            "hovermode": "closest",
            "shapes": [{**even, "line": {"color": MUTED, "width": 1, "dash": "dot"}}],
        },
    )


def skill_bars(tests: pd.DataFrame, *, loss: str = "crps", subject: str | None = None) -> go.Figure:
    """The share by which each model's loss is smaller than the random walk's, with its 95% interval.

    `tests` are the rows of `comparisons.compare`; the interval is that of the Diebold-Mariano test.
    """
    rows = tests[
        (tests["loss"] == loss) & (tests["step"].astype(str) == "all") & (tests["against"] == RANDOM_WALK)
    ]
    base = rows["mean_loss_against"].to_numpy(dtype=float)
    gain = rows["mean_loss_against"].to_numpy(dtype=float) - rows["mean_loss"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(gain / rows["dm"].to_numpy(dtype=float))
        reach = stats.t.ppf(0.975, np.maximum(rows["n"].to_numpy(dtype=float) - 1, 1)) * error
        bars = pd.DataFrame({"name": rows["model"], "value": gain / base, "reach": reach / base})
    bars = bars.sort_values("value", kind="stable")
    first = subject if subject is not None else (str(rows["model"].iloc[0]) if len(rows) else "")
    return _bars(bars, [ACCENT if name == first else QUIET for name in bars["name"]], ".1~%")


def ablation_bars(rows: Sequence[Mapping[str, object]]) -> go.Figure:
    """What turning each improvement off does to the score: to the right of zero, the improvement helps.

    Each row has `switch`, `change`, `low`, `high` (shares of the full model's score, 0.02: 2% larger without
    the switch; smaller scores are better) and `word`, one of "helps", "no difference", "hurts".
    """
    bars = pd.DataFrame(
        {
            "name": [str(row["switch"]) for row in rows],
            "value": [row["change"] for row in rows],
            "low": [row["low"] for row in rows],
            "high": [row["high"] for row in rows],
            "word": [row["word"] for row in rows],
        }
    )
    bars = bars.iloc[::-1].reset_index(drop=True)
    return _bars(bars, [ACCENT if word == "helps" else QUIET for word in bars["word"]], ".1~%")


def _bars(bars: pd.DataFrame, colours: list[str], tickformat: str) -> go.Figure:
    """Horizontal bars from zero with whiskers; the first row at the bottom."""
    value = bars["value"].to_numpy(dtype=float)
    low = bars["low"].to_numpy(dtype=float) if "low" in bars else value - bars["reach"].to_numpy(dtype=float)
    high = (
        bars["high"].to_numpy(dtype=float) if "high" in bars else value + bars["reach"].to_numpy(dtype=float)
    )
    trace = go.Bar(
        x=numbers(value),
        y=list(range(len(bars))),
        orientation="h",
        width=0.5,
        showlegend=False,
        marker={"color": colours, "line": {"width": 0}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": numbers(high - value),
            "arrayminus": numbers(value - low),
            "color": MUTED,
            "thickness": 1.2,
            "width": 4,
        },
        hovertemplate="%{x:+.1%}<extra></extra>",
    )
    return drawn(
        [trace],
        xaxis={
            "tickformat": tickformat,
            "range": _range(np.fmin(low, value), np.fmax(high, value)),
            "showgrid": True,
            "zeroline": True,
            "zerolinecolor": MUTED,
            "zerolinewidth": 1,
        },
        yaxis={
            "side": "left",
            "tickmode": "array",
            "tickvals": list(range(len(bars))),
            "ticktext": _labels(bars),
            "showgrid": False,
            "tickfont": {"color": INK},
            "ticksuffix": "  ",
        },
        layout={"hovermode": "closest"},
    )


def _range(low: Float[np.ndarray, " bars"], high: Float[np.ndarray, " bars"]) -> list[float]:
    """All whiskers and zero, but for what lies beyond 40%: one hopeless rival must not flatten the others."""
    left = max(float(np.nanmin(low, initial=0.0)), -_FARTHEST)
    right = min(float(np.nanmax(high, initial=0.0)), _FARTHEST)
    edge = 0.04 * (right - left) or 0.01
    return [left - edge, right + edge]


def _labels(bars: pd.DataFrame) -> list[str]:
    """The names beside the bars, the finding in words below where there is one."""
    names = [name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…" for name in bars["name"]]
    if "word" not in bars:
        return [plain(name) for name in names]
    return [f"{plain(name)}<br>{plain(str(word))}" for name, word in zip(names, bars["word"], strict=True)]
