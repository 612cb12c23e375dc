"""A process that answers short questions on files of unknown origin: one JSON line in, one out.

It is apart from the server so that what a hostile file costs in memory and time is bounded, and ends with it. Torch is
never loaded here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gatecast.errors import GatecastError
from gatecast.prices import PriceSeries, stamp_text
from gatecast.readers.choices import ReadOptions
from gatecast.readers.read import column_uses, read_source
from gatecast.risk.assess import assess_risk
from gatecast.risk.questions import RiskQuestions
from gatecast.risk.weights import Portfolio
from gatecast.text import clean
from gatecast.web.requests import Questions, Reading
from gatecast.web.saved import load_paths
from gatecast.web.screens import SCREENS

MEMORY = 6 * 1024**3  # bytes of addresses
_COLUMNS = 500  # that are listed
_CHARTS = 12  # items whose closes are given for a chart
_POINTS = 400  # of a chart


def read(place: str, reading: Mapping[str, Any]) -> dict[str, Any]:
    """What is read of a source: rows, items with a chart of the first, columns with their use, notes; or the problem.

    `problem` is the command's own line; with it there are columns where these can be told, and no items.
    """
    asked = Reading.model_validate(reading)
    found: dict[str, Any] = {"rows": 0, "items": [], "columns": [], "notes": [], "problem": None}
    try:
        options = asked.options()
        try:
            prices = read_source(place, options, calendar=asked.calendar, repair=asked.repair)
        finally:
            found["columns"] = _columns(place, options)
    except GatecastError as error:
        return {**found, "problem": str(error)}
    except MemoryError:
        return {**found, "problem": "these prices need more memory than a reader has. Give fewer rows or assets."}
    return {
        **found,
        "rows": sum(map(len, prices)),
        "items": [_item(series, chart=number < _CHARTS) for number, series in enumerate(prices)],
        "notes": [str(note) for note in prices.all_notes()],
    }


def _columns(place: str, options: ReadOptions) -> list[dict[str, Any]]:
    try:
        uses = column_uses(place, options)[:_COLUMNS]
    except (GatecastError, MemoryError):
        return []
    return [{"name": use.name, "used_as": use.used_as, "item_id": use.item_id} for use in uses]


def _item(series: PriceSeries, *, chart: bool) -> dict[str, Any]:
    points = min(_POINTS, len(series)) if chart else 0
    at = np.unique(np.linspace(0, len(series) - 1, points).round().astype(int)).tolist()
    return {
        "item_id": series.item_id,
        "rows": len(series),
        "first": stamp_text(series.timestamps[0]),
        "last": stamp_text(series.timestamps[-1]),
        "last_close": float(series.close[-1]),
        "columns": list(series.columns()),
        "chart": [{"timestamp": stamp_text(series.timestamps[i]), "close": float(series.close[i])} for i in at],
    }


def ask_risk(folder: str, questions: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to questions about the saved paths of a job, as `Risk.to_dict` has them, and notes."""
    forecast, past = load_paths(Path(folder))
    risk = assess_risk(forecast, questions_of(Questions.model_validate(questions)), prices=past)
    return {**risk.to_dict(), "notes": [str(note) for note in risk.notes]}


def questions_of(asked: Questions) -> RiskQuestions:
    """Raises `UsageError` for questions that cannot be meant."""
    held = asked.portfolio
    portfolio = None if held is None else Portfolio(weights=held.weights, rebalanced=held.rebalanced, value=held.value)
    return RiskQuestions(
        touch=tuple(asked.touch),
        above=tuple(asked.above),
        stop=asked.stop,
        target=asked.target,
        levels=tuple(asked.levels),
        falls=tuple(asked.falls),
        portfolio=portfolio,
        given=asked.given,
    )


def settle(database: str | None, place: str, name: str, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the recorded forecasts that are due against a source, as `gatecast ledger score --json`, and its `items`."""
    from gatecast.ledger.database import Database
    from gatecast.ledger.settling import settle as settle_due

    asked = Reading.model_validate(reading)
    prices = read_source(place, asked.options(), calendar=asked.calendar, repair=asked.repair)
    with Database(database, create=True) as opened:
        done = settle_due(opened, prices, source=name)
    counts = {"forecasts": done.forecasts, "steps": done.steps, "waiting": done.waiting}
    return {
        **counts,
        "items": list(prices.item_ids),
        "notes": [str(note) for note in (*prices.all_notes(), *done.notes)],
    }


QUESTIONS: Mapping[str, Callable[..., dict[str, Any]]] = {"read": read, "risk": ask_risk, "settle": settle, **SCREENS}


def answer(line: str) -> dict[str, Any]:
    """`{"answer": ...}`, or `{"error": line, "kind": class}` of a refusal; any other failure is a refusal too."""
    asked = json.loads(line)
    try:
        return {"answer": QUESTIONS[asked["ask"]](**asked["of"])}
    except GatecastError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except MemoryError:
        return {"error": "not enough memory for this. Ask for less at once.", "kind": "DataError"}
    except Exception as error:  # a server must go on; the line names the place to look at
        line = f"this cannot be answered ({type(error).__name__}: {clean(error, 120)}). Please report it."
        return {"error": line, "kind": "DataError"}


def main() -> None:
    """Answer until the server ends."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what a library prints must not be taken for an answer
        for line in sys.stdin:
            print(json.dumps(answer(line), allow_nan=False), file=out, flush=True)


if __name__ == "__main__":
    main()
