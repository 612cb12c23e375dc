"""The page of a walk-forward test: verdict, scores, reliability, and the fans against the observed prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from gatecast.faces import figures, tables
from gatecast.faces.report.page import render, setting_pairs, verdict_values
from gatecast.faces.tables import (
    PAGE_COLUMNS,
    coverage_rows,
    foresight_text,
    miss_rows,
    pit_texts,
    score_cells,
    score_frame,
)
from gatecast.judge.audit import Audit
from gatecast.judge.comparisons import RANDOM_WALK, subject_of
from gatecast.judge.risk_record import RiskRecord
from gatecast.judge.risk_verdict import RiskVerdict
from gatecast.prices import PriceTable
from gatecast.text import counted

if TYPE_CHECKING:
    from gatecast.judge.report import Report

MOST_STRIPS = 30  # assets with a strip of fans, so that the file stays small enough to mail


def backtest_report(
    report: Report,
    prices: PriceTable,
    ablation: Sequence[Mapping[str, object]] | None = None,
    *,
    config: Mapping[str, object] | None = None,
    title: str = "Walk-forward test",
    audit: Audit | None = None,
    risk: tuple[RiskRecord, RiskVerdict] | None = None,
) -> str:
    """One self-contained HTML page; the same report gives the same text.

    `prices` is the table of the test. `ablation` has a row for each switch: `switch, change, low, high,
    word` (`figures.ablation_bars`). With an `audit` the page has a section on the subject's bands, with
    `risk` one on the models' answers about risk.
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
    items, frame = forecasts["item_id"].nunique(), score_frame(scores, report.tests)
    return render(
        "backtest.html",
        drawings,
        {
            "title": title,
            "subtitle": _subtitle(forecasts),
            "verdict": verdict_values(report.verdict.to_dict()),
            "columns": [column.heading for column in PAGE_COLUMNS],
            "table": list(zip(frame["model"], score_cells(frame, PAGE_COLUMNS), strict=True)),
            "subject": subject,
            "has_walk": has_walk,
            "has_skill": has_skill,
            "bars_height": _bars_height(len(models) - 1),
            "has_ablation": bool(ablation),
            "ablation_height": _bars_height(len(ablation or ())),
            "audit": None if audit is None else _audit_values(audit, subject),
            "risk": None if risk is None else _risk_values(*risk),
            "strips": strips,
            "items_left_out": f"The first {MOST_STRIPS} of {items:,} assets are shown." if items > MOST_STRIPS else "",
            "notes": [str(note) for note in (*prices.notes, *report.notes)],
            "config": setting_pairs(config),
        },
    )


def _bars_height(bars: int) -> int:
    """Pixels for as many bars."""
    return 70 + 40 * bars


def _subtitle(forecasts: pd.DataFrame) -> str:
    nouns = {"model": "model", "cutoff": "origin", "item_id": "asset"}
    parts = [counted(forecasts[column].nunique(), noun) for column, noun in nouns.items()]
    return " · ".join([*parts, f"{counted(int(forecasts['step'].max()), 'step')} ahead"])


def _add_strips(drawings: dict[str, go.Figure], rows: pd.DataFrame, prices: PriceTable) -> list[dict[str, object]]:
    """Adds a strip of fans for each asset to `drawings`; returns the values of the template for each."""
    strips: list[dict[str, object]] = []
    for position, item_id in enumerate(list(dict.fromkeys(rows["item_id"]))[:MOST_STRIPS]):
        drawings[f"strip-{position}"] = figures.fan_strip(rows[rows["item_id"] == item_id], prices[item_id])
        strips.append({"id": f"item-{position}", "name": item_id, "figure": f"strip-{position}"})
    return strips


def _audit_values(audit: Audit, model: str) -> dict[str, object]:
    levels, groups = coverage_rows(audit, model, lambda held, low, high: f"{held:.0%} ({low:.0%} to {high:.0%})")
    misses = [(f"{event}, step {step.text}", cells) for event, (step, *cells) in miss_rows(audit, model)]
    foreseen = foresight_text(audit, model)
    return {
        "levels": levels,
        "groups": groups,
        "misses": misses,
        "pit": pit_texts(audit, model)[1],
        "foreseen": foreseen,
    }


def _risk_values(record: RiskRecord, verdict: RiskVerdict) -> dict[str, object]:
    """The verdict's paragraph, and each table that has rows: title, headings, rows and the words explained."""
    found = (
        ("Value at risk", tables.LOSS_COLUMNS, tables.loss_rows(record), tables.LOSS_HINT),
        ("Chances of levels", tables.CHANCE_COLUMNS, tables.chance_rows(record), tables.CHANCE_HINT),
        ("Bands of a portfolio", tables.PORTFOLIO_COLUMNS, tables.portfolio_rows(record), tables.PORTFOLIO_HINT),
    )
    shown = [{"title": title, "heads": heads, "rows": rows, "hint": hint} for title, heads, rows, hint in found if rows]
    return {"text": verdict.text, "tables": shown}
