"""The page of a search for settings: what it found is worth on rows it never saw, its trials, what mattered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatecast.faces.figures.tuning import setting_importances, trial_scores
from gatecast.faces.report.page import render


def tuning_report(document: Mapping[str, Any], *, title: str) -> str:
    """One self-contained HTML page of what `TuningRun.to_dict` gives; the same document gives the same text."""
    shares = document["importances"]
    figures = {"trials": trial_scores(document["trials"])}
    if shares:
        figures["importances"] = setting_importances(shares)
    ranked = sorted(document["trials"], key=lambda row: (row["state"] != "complete", row["score"] or 0.0, row["index"]))
    rows = [
        {
            "trial": row["index"] + 1,
            "state": row["state"],
            "score": "-" if row["score"] is None else f"{row['score']:.5f}",
            "settings": ", ".join(row["settings"]),
        }
        for row in ranked
    ]
    return render(
        "tuning.html",
        figures,
        {
            "title": title,
            "subtitle": f"{len(rows)} trials; what was found is judged from {document['unseen']['first']} on",
            "text": document["unseen"]["text"],
            "command": document["command"],
            "has_importances": bool(shares),
            "bars_height": 70 + 30 * len(shares),
            "rows": rows,
            "notes": document["notes"],
        },
    )
