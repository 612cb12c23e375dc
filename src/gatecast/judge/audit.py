"""The audit of a walk-forward test: do the bands hold, in every year, at every step, in calm and in wild times?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gatecast.features.indicators import volatility
from gatecast.forecast import BANDS
from gatecast.judge.comparisons import overlap_of
from gatecast.judge.coverage import miss_tests, pit_test
from gatecast.judge.foresight import foresight
from gatecast.judge.scores import by_step, held
from gatecast.judge.significance import coverage_interval
from gatecast.prices import PriceTable

BINS = 10  # of the PIT histogram
TIMES = ("calm", "usual", "wild")  # thirds of an item's own cutoffs, by its trailing volatility there; a to z
TAILS = {5: "q05", 1: "q01"}  # percent; what a value at risk promises
ALPHA = 0.05  # below it a p-value is shown as a finding


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What was found; immutable.

    `coverage`: a row a model, group and band: `by` ("all", "year", "step", "volatility"), `group`, `level`,
    `n`, `origins`, `held` (share), `low`, `high` (its 95% interval, dates that move together allowed for).
    `violations`: a row a model, step and event, with Kupiec's test of their number, Christoffersen's of their
    independence, and both together; statistics are divided by their design effect. `pit`: a row a model and
    step, with the test that it is uniform and the share in each tenth. `foresight`: a row a model, as
    `judge.foresight.foresight` has it.
    """

    coverage: pd.DataFrame
    violations: pd.DataFrame
    pit: pd.DataFrame
    foresight: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; None where a number does not exist."""
        tables = vars(self).items()
        return {name: json.loads(table.to_json(orient="records", double_precision=15)) for name, table in tables}


def audit(forecasts: pd.DataFrame, prices: PriceTable) -> Audit:
    """Examine the forecasts of a `Report` (`scores.COLUMNS`); `prices` is the table that was walked over.

    >>> from gatecast import RandomWalk, backtest
    >>> days = pd.bdate_range("2020-01-01", periods=200)
    >>> walk = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, 200).cumsum())
    >>> table = PriceTable.from_close({"X": (walk, days)})
    >>> found = audit(backtest([RandomWalk()], table, horizon=2, cutoffs=20, paths=200).forecasts, table)
    >>> sorted(found.to_dict()), set(found.coverage["by"])  # doctest: +ELLIPSIS
    (['coverage', 'foresight', 'pit', 'violations'], {...})
    """
    coverage: list[dict[str, Any]] = []
    violations: list[dict[str, Any]] = []
    pit: list[dict[str, Any]] = []
    foreseen: list[dict[str, Any]] = []
    for model, found in forecasts.groupby("model", sort=False):
        rows = found.reset_index(drop=True).assign(times=_times(found, prices))
        foreseen.append({"model": model, **foresight(rows, prices)})
        for by, group, part in _groups(rows):
            coverage += [{"model": model, "by": by, "group": group, **row} for row in _coverage(part)]
        for step, part in by_step(rows):
            pit.append({"model": model, "step": step, **_pit(part)})
            if step != "all":
                violations += [{"model": model, "step": step, **row} for row in _violations(part)]
    return Audit(
        coverage=pd.DataFrame(coverage),
        violations=pd.DataFrame(violations),
        pit=pd.DataFrame(pit),
        foresight=pd.DataFrame(foreseen),
    )


def _times(rows: pd.DataFrame, prices: PriceTable) -> np.ndarray:
    """Each row's third of its item's cutoffs by trailing volatility; None where there are fewer than three.

    Volatility is of rows at or before the cutoff; the thirds are of the cutoffs judged, for the eye alone.
    """
    thirds = np.full(len(rows), None, dtype=object)
    items, cutoffs = rows["item_id"].to_numpy(), rows["cutoff"].to_numpy()
    for item_id in dict.fromkeys(items):
        mine, series = items == item_id, prices[item_id]
        stamps, place = np.unique(cutoffs[mine], return_inverse=True)
        if len(stamps) < len(TIMES):
            continue
        trailing = volatility(series.close)[np.searchsorted(series.timestamps, stamps, side="right") - 1]
        rank = np.argsort(np.argsort(trailing, kind="stable"), kind="stable")
        thirds[mine] = np.array(TIMES, dtype=object)[len(TIMES) * rank // len(stamps)][place]
    return thirds


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(by, group, its rows), in the order of a page."""
    yield "all", "all", rows
    by_key = {"year": rows["cutoff"].dt.year, "step": rows["step"], "volatility": rows["times"]}
    for by, key in by_key.items():
        for group, part in rows.groupby(key):
            yield by, str(group), part


def _coverage(rows: pd.DataFrame) -> list[dict[str, Any]]:
    dates, overlap = rows["cutoff"].to_numpy(), overlap_of(rows)
    found = []
    for level in BANDS:
        share, low, high = coverage_interval(held(rows, level).astype(float), dates, overlap=overlap)
        about = {"level": level, "n": len(rows), "origins": len(np.unique(dates))}
        found.append({**about, "held": share, "low": low, "high": high})
    return found


def _pit(rows: pd.DataFrame) -> dict[str, Any]:
    values, dates = rows["pit"].to_numpy(), rows["cutoff"].to_numpy()
    statistic, p_value = pit_test(values, dates, gap=overlap_of(rows) + 1)
    place = np.minimum((values * BINS).astype(int), BINS - 1)
    shares = (np.bincount(place, minlength=BINS) / len(place)).tolist()
    return {"n": len(rows), "statistic": statistic, "p_value": p_value, "shares": shares}


def _violations(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The tests of each event at one step."""
    items, dates, overlap = rows["item_id"].to_numpy(), rows["cutoff"].to_numpy(), overlap_of(rows)
    events = {f"outside {level}%": (1 - level / 100, ~held(rows, level)) for level in BANDS}
    events |= {f"below {tail}%": (tail / 100, (rows["actual"] < rows[q]).to_numpy()) for tail, q in TAILS.items()}
    found = []
    for name, (rate, violated) in events.items():
        row = {"event": name, "expected": rate, "found": float(violated.mean()), "n": len(rows)}
        found.append({**row, **miss_tests(violated, items, dates, rate=rate, overlap=overlap)})
    return found
