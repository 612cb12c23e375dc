"""Does the 90% band of a model hold its share of an asset's prices, as far as they are settled: the sequential test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, select

from gatecast.judge.drift import FALSE_ALARMS, apart_rows, coverage_drift
from gatecast.ledger.tables import DERIVED

LEVEL = 90  # per cent; of the band that is tested
_COLUMNS = ("item", "step", "day", "end", "timestamp", "held_90")


@dataclass(frozen=True, kw_only=True)
class BandDrift:
    """The test of the 90% band of one model, asset and step, over settled forecasts that share no days.

    `days`: how many these are. `found`: the day of the last alarm, None where there was none; `since`: the day since
    which the band seems not to hold its share; `held`: the share it held of the `n` prices between the two; `quiet`:
    prices since that alarm, on which the test began anew. `false_alarms`: the chance of an alarm, ever, of a band that
    holds its share.
    """

    days: int
    alarms: int
    since: str | None
    found: str | None
    held: float | None
    n: int
    quiet: int
    false_alarms: float = FALSE_ALARMS


def drifts_of_items(connection: Connection, model: str, items: Sequence[str]) -> dict[str, BandDrift]:
    """The test of each of these assets one step ahead; those without a settled one-step forecast are left out."""
    found = _drifts(connection, model, items, DERIVED.scores.c.step == 1)
    return {item: drift for (item, _), drift in found.items()}


def drifts_of_steps(connection: Connection, model: str, item: str) -> dict[int | str, BandDrift]:
    """The test of each step of the forecasts of an asset, each with a false-alarm rate of its own."""
    return {step: drift for (_, step), drift in _drifts(connection, model, [item]).items()}


def _drifts(
    connection: Connection, model: str, items: Sequence[str], *chosen: ColumnElement[bool]
) -> dict[tuple[str, int], BandDrift]:
    scores = DERIVED.scores
    # An expression uses no index. So rows are found by their items, of which there are few; SQLite, which keeps no
    # count, would take another index of the model's and read the rows of all items.
    rest = (scores.c.model.concat("") == model, scores.c.void == 0, *chosen)
    asked = select(*(scores.c[name] for name in _COLUMNS)).where(scores.c.item.in_(list(items)), *rest)
    rows = connection.execute(asked.order_by(scores.c.item, scores.c.step, scores.c.day, scores.c.seq)).all()
    return {key: _tested(list(same)) for key, same in groupby(rows, key=lambda row: (row[0], row[1]))}


def _tested(rows: Sequence[Any]) -> BandDrift:
    """Of the rows of one asset and step, in the order of their cutoffs."""
    begins, ends = (np.array([row[place] for row in rows], dtype=np.int64) for place in (2, 3))
    kept = apart_rows(begins, ends, np.array([row[4][10:] for row in rows]))
    test = coverage_drift([bool(rows[place][5]) for place in kept.tolist()], level=LEVEL / 100)
    last = test.alarms[-1] if test.alarms else None
    return BandDrift(
        days=test.outcomes,
        alarms=len(test.alarms),
        since=None if last is None else _day(rows[kept[last.since]]),
        found=None if last is None else _day(rows[kept[last.found]]),
        held=None if last is None else last.held,
        n=0 if last is None else last.found + 1 - last.since,
        quiet=test.quiet,
    )


def _day(row: Any) -> str:
    """The day of an outcome."""
    return str(row[4])[:10]
