"""A ledger of a million recorded forecasts: how long its record takes to read, and the prices of a day to settle.

Makes it in a folder (some gigabytes; `--folder`), or takes the one that is there: a thousand assets, a forecast each
a day, every one settled but those of the last day. The rows are chained as `gatecast forecast --record` chains them.
Prints the times and writes benchmarks/results/ledger.json.

    python benchmarks/ledger.py [--rows 1000000] [--folder /tmp/gatecast-ledger]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np

from gatecast.forecast import QUANTILES
from gatecast.ledger.chain import append
from gatecast.ledger.database import Database
from gatecast.ledger.records import RIVALS, Recorded, moment_text
from gatecast.ledger.settling import settle
from gatecast.ledger.summary import summarize
from gatecast.ledger.verify import verify
from gatecast.prices import PriceSeries, PriceTable

ROOT = Path(__file__).parents[1]
ITEMS = 1000
BEFORE = 5  # days before the first forecast
LATER = datetime(2040, 1, 1, tzinfo=UTC)
_SPREAD = 0.02 * np.array([-2.33, -1.96, -1.64, -1.28, -0.84, -0.67, -0.52, -0.25])
SHAPE = np.concatenate([_SPREAD, [0.0], -_SPREAD[::-1]])
Result = TypeVar("Result")


def prices(days: int) -> PriceTable:
    """Random walks of all items, a row a day."""
    moves = 0.01 * np.random.default_rng(0).standard_t(5, (ITEMS, days))
    closes = np.round(100 * np.exp(np.cumsum(moves, axis=1)), 4)
    stamps = (np.datetime64("2030-01-01") - np.timedelta64(days, "D") + np.arange(days)).astype("datetime64[ns]")
    return PriceTable(
        series=tuple(
            PriceSeries(item_id=f"I{item:04d}", timestamps=stamps, close=closes[item]) for item in range(ITEMS)
        )
    )


def forecast(series: PriceSeries, place: int) -> Recorded:
    """A forecast of the day after a row."""
    last, day = float(series.close[place]), moment_text(series.timestamps[place])

    def table(width: float) -> tuple[tuple[float, ...], ...]:
        return (tuple(np.round(last * np.exp(width * SHAPE), 6).tolist()),)

    recent = range(max(place - 4, 0), place + 1)
    return Recorded.model_construct(
        issued=f"{day}T23:00:00.000000Z", item=series.item_id, model="gatecast", config="c" * 64, version="0",
        data="d" * 64, source="panel.csv", seed=0, paths=1000, last_timestamp=day, last_close=last,
        recent=tuple((moment_text(series.timestamps[row]), float(series.close[row])) for row in recent),
        timestamps=(moment_text(series.timestamps[place + 1]),), quantiles=table(1.0),
        rivals={name: table(width) for name, width in zip(RIVALS, (1.1, 1.2, 1.3), strict=True)},
    )  # fmt: skip


def timed(what: str, work: Callable[[], Result], times: dict[str, float]) -> Result:
    began = time.perf_counter()
    result = work()
    times[what] = round(time.perf_counter() - began, 3)
    print(f"{what}: {times[what]:,.2f} s", flush=True)
    return result


def fill(database: Database, table: PriceTable, days: int) -> None:
    """The forecasts of each day, settled by the next one, but those of the last day."""
    for place in range(BEFORE, BEFORE + days):
        with database.writing() as connection:
            append(connection, [forecast(series, place) for series in table])
        if place < BEFORE + days - 1:
            seen = table.until(table.series[0].timestamps[place + 1])
            settle(database, seen, source="panel.csv", clock=lambda: LATER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="forecasts")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gatecast-ledger")
    asked = parser.parse_args()
    days = asked.rows // ITEMS
    assert len(SHAPE) == len(QUANTILES)
    table, times = prices(BEFORE + days + 1), {}
    file = asked.folder / f"{days * ITEMS}.db"
    there = file.exists()
    with Database(str(file), create=True) as database:
        if not there:
            timed("make the ledger", lambda: fill(database, table, days), times)
    with Database(str(file)) as database:
        summary = timed("the record", lambda: summarize(database), times)
        timed("the record of an asset", lambda: summarize(database, item="I0500"), times)
        if summary.waiting:
            done = timed("settle a day", lambda: settle(database, table, clock=lambda: LATER), times)
            assert done.steps == ITEMS
        timed("the record again", lambda: summarize(database), times)
        timed("verify", lambda: verify(database), times)
    found = {"forecasts": days * ITEMS, "rows": summary.rows, "bytes": file.stat().st_size, "seconds": times}
    print(json.dumps(found))
    (ROOT / "benchmarks" / "results" / "ledger.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
