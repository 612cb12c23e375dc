"""The report on a walk-forward test: the forecasts of all folds scored, compared and judged, with what to note."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gatecast.errors import ForeignError, TooFewRows
from gatecast.judge.comparisons import compare
from gatecast.judge.fold_store import Fold, Key
from gatecast.judge.plan import WalkForward, left_out
from gatecast.judge.scores import COLUMNS, join_rows, score_table
from gatecast.judge.verdict import Verdict, judge
from gatecast.judge.verdict_text import fallback_text
from gatecast.notes import Note, merged
from gatecast.prices import PriceTable, stamp_text

_ONE_A_FORECAST = frozenset(
    {"adapted", "bands", "combined", "learned", "seen", "uncalibrated", "uncombined"}
)  # kinds of notes


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What a walk-forward test found; immutable.

    `forecasts`: a row a model, item, cutoff and step (`scores.COLUMNS`). `scores`: by model and step
    (`scores.score_table` has the units). `tests`: Diebold-Mariano tests (`comparisons.compare`).
    """

    forecasts: pd.DataFrame
    scores: pd.DataFrame
    tests: pd.DataFrame
    verdict: Verdict
    notes: tuple[Note, ...] = ()
    risk: pd.DataFrame | None = None  # the answers on risk by model (`risk_answers.COLUMNS`), where asked for

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: plain types; None where a number does not exist."""
        return {
            "scores": _records(self.scores),
            "tests": _records(self.tests),
            "verdict": self.verdict.to_dict(),
            "notes": [str(note) for note in self.notes],
        }

    def to_parquet(self, path: str | Path) -> None:
        """Write `forecasts`, a row a model, item, cutoff and step."""
        self.forecasts.to_parquet(path, index=False)


def report_of(
    names: list[str],
    walk: WalkForward,
    folds: dict[Key, Fold],
    prices: PriceTable,
    *,
    notes: Sequence[Note] = (),
    judged: pd.DataFrame | None = None,
) -> Report:
    """The report on finished folds, after `notes`; of `judged` items, cutoffs and steps alone where they are given."""
    names, failures = _without_failed(names, folds)
    kept, early = _kept(walk, {key: fold for key, fold in folds.items() if key[0] in names})
    notes = [*notes, *failures, *early]
    parts, risk, kinds = [], [], {}
    for name in names:
        own = [folds[name, cutoff] for cutoff in kept]
        rows = join_rows([fold.rows for fold in own])
        if not rows:
            raise TooFewRows(f"no item has {walk.horizon} rows after any cutoff. Shorten the horizon.")
        parts.append({"model": np.full(len(rows["step"]), name, dtype=object), **rows})
        answers = join_rows([fold.risk for fold in own if fold.risk is not None])
        risk += [pd.DataFrame({"model": name, **answers})] if answers else []
        noted = [note for fold in own for note in fold.notes]
        kinds[name] = Counter(note.kind for note in noted)
        notes += _model_notes(name, noted, kinds[name]["fallback"], len(rows["step"]) // walk.horizon)
    forecasts = pd.DataFrame(join_rows(parts), columns=list(COLUMNS))
    if judged is not None:
        forecasts = forecasts.merge(judged, on=["item_id", "cutoff", "step"])
    notes += left_out(walk, prices, set(forecasts["item_id"]))
    if forecasts.groupby(["model", "cutoff"]).size().nunique() > 1:
        each = "tests and verdict count every cutoff once, the score table every forecast"
        notes.append(Note("test", f"cutoffs differ in their number of items: {each}"))
    tests = compare(forecasts)
    counts = ({name: of[kind] for name, of in kinds.items()} for kind in ("fallback", "seen", "combined"))
    verdict = judge(forecasts, tests, *counts)
    return Report(
        forecasts=forecasts,
        scores=score_table(forecasts),
        tests=tests,
        verdict=verdict,
        notes=merged(notes),
        risk=pd.concat(risk, ignore_index=True) if risk else None,
    )


def _without_failed(names: list[str], folds: dict[Key, Fold]) -> tuple[list[str], list[Note]]:
    """The models that answered at every cutoff, and a note for each that did not; raises where none did."""
    failed = {name: fold.failed for (name, _), fold in sorted(folds.items(), reverse=True) if fold.failed}
    notes = [Note("test", f"model '{name}' is left out: {failed[name]}") for name in names if name in failed]
    kept = [name for name in names if name not in failed]
    if not kept:
        raise ForeignError(" ".join(note.text for note in notes[:1]))
    return kept, notes


def _kept(walk: WalkForward, folds: dict[Key, Fold]) -> tuple[list[np.datetime64], list[Note]]:
    """The cutoffs at which every model could be fitted, and a note of the early ones at which some could not."""
    by_cutoff = sorted(folds.items(), key=lambda item: item[0][1])
    short = {cutoff: fold.too_few for (_, cutoff), fold in by_cutoff if fold.too_few}
    kept = [cutoff for cutoff in walk.cutoffs if cutoff not in short]
    if not short:
        return kept, []
    reason = next(reversed(short.values()))
    if not kept or max(short) > min(kept):
        raise TooFewRows(f"{reason} Start later, or leave that model or item out.")
    text = f"{len(short)} early cutoffs to {stamp_text(max(short))} are left out for all: {reason}"
    return kept, [Note("test", text)]


def _model_notes(name: str, noted: list[Note], fallbacks: int, forecasts: int) -> list[Note]:
    """What a model noted of its forecasts: each note once, with the number of forecasts it concerns.

    Of the kinds that a forecast has one note of, whose text has the forecast's own numbers, the first is shown.
    """
    notes = [Note("fallback", fallback_text(name, fallbacks, forecasts))] if fallbacks else []
    alike: dict[object, Counter[Note]] = {}
    for note in noted:
        alike.setdefault(note.kind if note.kind in _ONE_A_FORECAST else note, Counter())[note] += 1
    for counts in alike.values():
        first, times = next(iter(counts)), counts.total()
        like = "this or the like " if len(counts) > 1 else ""
        counted = f"{first.text} ({like}in {times} of {forecasts} forecasts)"
        notes.append(replace(first, text=counted) if times > 1 and first.kind != "data" else first)
    return notes


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The rows as JSON has them: None where a number is missing or infinite."""
    return [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
