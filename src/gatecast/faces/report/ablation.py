"""The page of an ablation: the effect of each improvement, the bars first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatecast.faces import figures
from gatecast.faces.report.page import render
from gatecast.faces.tables import Cell, number_text, percent

if TYPE_CHECKING:  # it loads torch, which a server that shows pages does without
    from gatecast.judge.ablation import Ablation, Score

_SCORES: dict[Score, str] = {"crps": "CRPS", "mae": "MAE", "coverage_90": "90% band held"}
_CHANGE = percent(2, "+")


def ablation_report(ablation: Ablation, *, title: str) -> str:
    """One self-contained HTML page; the same ablation gives the same text."""
    drawn = [row for row in ablation.to_rows() if row["change"] is not None]
    table = [
        {
            "switch": row["switch"],
            "off": row["off"],
            "score": name,
            "cells": [Cell(number_text(row["change"], _CHANGE)), Cell(_interval(row["low"], row["high"]))],
            "word": row["word"],
        }
        for score, name in _SCORES.items()
        for row in ablation.to_rows(score)
    ]
    return render(
        "ablation.html",
        {"ablation": figures.ablation_bars(drawn)} if drawn else {},
        {
            "title": title,
            "subtitle": f"{ablation.origins} origins, {ablation.seeds} seeds, {ablation.horizon} steps ahead",
            "text": ablation.text,
            "table": table,
            "has_bars": bool(drawn),
            "bars_height": 90 + 34 * len(drawn),
            "notes": [str(note) for note in ablation.notes],
        },
    )


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{_CHANGE(low)} to {_CHANGE(high)}"
