"""The explanation run: the network that makes the forecast of a source, opened for one item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatecast.config import Config
from gatecast.explain.explain import explain
from gatecast.explain.explanation import Explanation
from gatecast.notes import Note, merged
from gatecast.readers.choices import AS_FOUND, ReadOptions
from gatecast.readers.read import read_source
from gatecast.runs.forecast import Progress, clear, fitted, settings_notes
from gatecast.runs.workspace import timed


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplanationRun:
    """What an explanation run made; `timings` are seconds by part: read, fit, explain."""

    explanation: Explanation
    notes: tuple[Note, ...]
    timings: Mapping[str, float]


def run_explanation(
    source: Any,
    config: Config | None = None,
    *,
    model: Path | None = None,
    item_id: str | None = None,
    member: int = 1,
    seed: int = 0,
    calendar: str | None = None,
    repair: bool = False,
    reading: ReadOptions = AS_FOUND,
    progress: Progress | None = None,
) -> ExplanationRun:
    """Open the network that `run_forecast` with these arguments forecasts with; `member` of the base network."""
    timings: dict[str, float] = {}
    with timed(timings, "read"):
        prices = read_source(source, reading, calendar=calendar, repair=repair, progress=progress)
    with timed(timings, "fit"):
        forecaster = fitted(prices, config, model, progress=progress)
    with timed(timings, "explain"):
        explanation = explain(forecaster, prices, item_id=item_id, member=member, seed=seed)
    if model is None:
        clear(forecaster, prices)
    notes = [*settings_notes(forecaster.config), *prices.all_notes(), *forecaster.notes_]
    return ExplanationRun(explanation=explanation, notes=merged(notes, prices.item_ids), timings=timings)
