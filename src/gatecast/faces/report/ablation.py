"""The page of an ablation: what each improvement is worth, the bars first."""

from __future__ import annotations

from gatecast.faces import figures
from gatecast.faces.report.page import render
from gatecast.judge.ablation import Ablation, Score

_SCORES: dict[Score, str] = {"crps": "CRPS", "mae": "MAE", "coverage_90": "90% band held"}


def ablation_report(ablation: Ablation, *, title: str) -> str:
    """One HTML page without need of a network; the same ablation gives the same text."""
    rows = ablation.to_rows()
    table = [
        {
            "switch": row["switch"],
            "off": row["off"],
            "score": name,
            "change": _percent(row["change"]),
            "interval": "-" if row["low"] is None else f"{_percent(row['low'])} to {_percent(row['high'])}",
            "word": row["word"],
        }
        for score, name in _SCORES.items()
        for row in ablation.to_rows(score)
    ]
    drawn = [row for row in rows if row["change"] is not None]
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


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.2f}%"
