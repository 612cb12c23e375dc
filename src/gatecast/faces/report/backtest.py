"""The page of a walk-forward test: verdict, scores, honesty, and the fans against what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gatecast.faces import figures
from gatecast.faces.report.audit import audit_values
from gatecast.faces.report.page import render, value_text, verdict_values
from gatecast.judge.audit import Audit
from gatecast.judge.comparisons import RANDOM_WALK, subject_of
from gatecast.prices import PriceTable

if TYPE_CHECKING:
    from gatecast.judge.walkforward import Report

MOST_STRIPS = 30  # assets with a strip of fans; more would make a file that no one mails

_Best = Callable[[pd.Series], pd.Series]  # a column to "how far from perfect", smaller is better


def _percent(value: float) -> str:
    return f"{100 * value:.2f}%"


def _whole(value: float) -> str:
    return f"{100 * value:.0f}%"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}%"


def _number(value: float) -> str:
    return f"{value:#.4g}" if abs(value) < 1000 else f"{value:,.0f}"


# Heading, column of the score table, how it reads, and what makes the best (None: no best).
_COLUMNS: tuple[tuple[str, str, Callable[[float], str], _Best | None], ...] = (
    ("CRPS", "crps", _percent, lambda column: column),
    ("Log score", "log_score", _number, lambda column: -column),
    ("MAE", "mae", _number, lambda column: column),
    ("RMSE", "rmse", _number, lambda column: column),
    ("MASE", "mase", _number, lambda column: column),
    ("50% band held", "coverage_50", _whole, lambda column: (column - 0.5).abs()),
    ("80% held", "coverage_80", _whole, lambda column: (column - 0.8).abs()),
    ("90% held", "coverage_90", _whole, lambda column: (column - 0.9).abs()),
    ("95% held", "coverage_95", _whole, lambda column: (column - 0.95).abs()),
    ("90% width", "width_90", _percent, None),
)


def backtest_report(
    report: Report,
    prices: PriceTable,
    ablation: Sequence[Mapping[str, object]] | None = None,
    *,
    config: Mapping[str, object] | None = None,
    title: str = "Walk-forward test",
    audit: Audit | None = None,
) -> str:
    """One HTML page without need of a network; the same report gives the same text.

    `prices` is the table the test walked over. `ablation` has a row a switch: `switch, change, low, high,
    word` (`figures.ablation_bars`). With an `audit` the page has a section on the subject's bands.
    """
    forecasts, scores = report.forecasts, report.scores
    models = list(dict.fromkeys(forecasts["model"]))
    subject = subject_of(models)
    drawings: dict[str, go.Figure] = {
        "steps": figures.score_by_step(scores),
        "reliability": figures.reliability(forecasts),
        "pit": figures.pit_histogram(forecasts),
    }
    has_walk = RANDOM_WALK in models
    has_skill = has_walk and len(models) > 1
    if has_skill:
        drawings["skill"] = figures.skill_bars(report.tests, subject=subject)
    if ablation:
        drawings["ablation"] = figures.ablation_bars(ablation)
    strips = _add_strips(drawings, forecasts[forecasts["model"] == subject], prices)
    items = forecasts["item_id"].nunique()
    left_out = f"The first {MOST_STRIPS} of {items:,} assets are shown." if items > MOST_STRIPS else ""
    return render(
        "backtest.html",
        drawings,
        {
            "title": title,
            "subtitle": _subtitle(forecasts),
            "verdict": verdict_values(report.verdict.to_dict()),
            "columns": ["CRPS", "Skill", "p", *(heading for heading, *_ in _COLUMNS[1:])],
            "table": _table(scores, report.tests, subject),
            "subject": subject,
            "has_walk": has_walk,
            "has_skill": has_skill,
            "bars_height": _bars_height(len(models) - 1),
            "has_ablation": bool(ablation),
            "ablation_height": _bars_height(len(ablation or ())),
            "audit": None if audit is None else audit_values(audit, subject),
            "strips": strips,
            "items_left_out": left_out,
            "notes": [str(note) for note in (*prices.notes, *report.notes)],
            "config": [(key, value_text(value)) for key, value in (config or {}).items()],
        },
    )


def _bars_height(bars: int) -> int:
    """Pixels for as many bars."""
    return 70 + 40 * bars


def _subtitle(forecasts: pd.DataFrame) -> str:
    counts = {
        "model": forecasts["model"].nunique(),
        "origin": forecasts["cutoff"].nunique(),
        "asset": forecasts["item_id"].nunique(),
    }
    parts = [f"{count:,} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items()]
    steps = int(forecasts["step"].max())
    return " · ".join([*parts, f"{steps} step{'' if steps == 1 else 's'} ahead"])


def _add_strips(
    drawings: dict[str, go.Figure], rows: pd.DataFrame, prices: PriceTable
) -> list[dict[str, object]]:
    """Adds a strip of fans for each asset to `drawings`; returns what the page says of each."""
    strips: list[dict[str, object]] = []
    for position, item_id in enumerate(list(dict.fromkeys(rows["item_id"]))[:MOST_STRIPS]):
        drawings[f"strip-{position}"] = figures.fan_strip(rows[rows["item_id"] == item_id], prices[item_id])
        strips.append({"id": f"item-{position}", "name": item_id, "figure": f"strip-{position}"})
    return strips


def _table(scores: pd.DataFrame, tests: pd.DataFrame, subject: str) -> list[dict[str, object]]:
    """A row a model over all steps, the least CRPS first; missing numbers are dashes."""
    whole = (
        scores[scores["step"].astype(str) == "all"].sort_values("crps", kind="stable").reset_index(drop=True)
    )
    best = {name: _best(whole[name], order) for _, name, _, order in _COLUMNS if order is not None}
    walk = whole.loc[whole["model"] == RANDOM_WALK, "crps"]
    base = float(walk.iloc[0]) if len(walk) and walk.iloc[0] > 0 else float("nan")
    p_values = _p_values(tests)
    columns = {name: whole[name].to_numpy(dtype=float) for _, name, _, _ in _COLUMNS}
    rows: list[dict[str, object]] = []
    for at, model in enumerate(whole["model"]):
        cells = [
            {"text": _cell(columns[name][at], text), "best": name in best and bool(best[name][at])}
            for _, name, text, _ in _COLUMNS
        ]
        skill = float("nan") if model == RANDOM_WALK else 1 - columns["crps"][at] / base
        p_value = p_values.get(model, float("nan"))
        beside = [_cell(skill, _signed), _cell(p_value, _p_text)]
        cells[1:1] = [{"text": text, "best": False} for text in beside]
        rows.append({"name": model, "subject": model == subject, "cells": cells})
    return rows


def _best(column: pd.Series, order: _Best) -> np.ndarray:
    """Which rows are the best of a column; none where only one model has a number."""
    distance = order(column.astype(float))
    if distance.notna().sum() < 2:
        return np.zeros(len(column), dtype=bool)
    return np.asarray(distance <= distance.min() + 1e-12)


def _cell(value: float, text: Callable[[float], str]) -> str:
    return text(value).replace("-", "\u2212") if np.isfinite(value) else "\u2013"


def _p_values(tests: pd.DataFrame) -> dict[str, float]:
    """Each model's two-sided p-value against the random walk, of CRPS over all steps."""
    rows = tests[
        (tests["loss"] == "crps") & (tests["step"].astype(str) == "all") & (tests["against"] == RANDOM_WALK)
    ]
    return dict(zip(rows["model"], rows["p_value"].astype(float), strict=True))


def _p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
