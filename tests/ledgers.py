"""Ledgers for tests: forecasts made by hand, and prices that settle them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import text

from gatecast.forecast import QUANTILES
from gatecast.ledger.chain import append
from gatecast.ledger.database import Database
from gatecast.ledger.records import RIVALS, Recorded, Value, moment_text
from gatecast.ledger.settling import settle
from gatecast.prices import PriceSeries, PriceTable

SPREAD = (np.array(list(QUANTILES.values())) - 0.5) * 0.1  # log returns of a forecast's quantiles


def recorded(series: PriceSeries, place: int, *, horizon: int = 2, model: str = "gatecast") -> Recorded:
    """A forecast from the row at `place`, issued at the end of its day; its rivals are wider."""
    last = float(series.close[place])

    def table(width: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple((last * np.exp(width * np.sqrt(h) * SPREAD)).tolist()) for h in range(1, horizon + 1))

    first = max(place - 19, 0)
    closes = zip(map(moment_text, series.timestamps[first : place + 1]), series.close[first : place + 1], strict=True)
    day = moment_text(series.timestamps[place])
    days = (np.datetime64(day) + np.timedelta64(step, "D") for step in range(1, horizon + 1))
    return Recorded(
        issued=f"{day[:10]}T23:00:00.000000Z",
        item=series.item_id,
        model=model,
        config="c" * 64,
        version="0.1.0",
        data="d" * 64,
        source="prices.csv",
        seed=0,
        paths=100,
        last_timestamp=day,
        last_close=last,
        recent=tuple((stamp, float(close)) for stamp, close in closes),
        timestamps=tuple(str(day) for day in days),
        quantiles=table(1.0),
        rivals={name: table(width) for name, width in zip(RIVALS, (1.5, 2.0, 2.5), strict=True)},
    )


def keep(path: Path | str, values: Sequence[Value]) -> list[str]:
    """Append values to the ledger at a path or URL; their ids."""
    with Database(str(path), create=True) as database, database.writing() as connection:
        return [row.id for row in append(connection, values)]


def settled_ledger(path: Path | str, table: PriceTable, *, forecasts: int = 6) -> list[str]:
    """A ledger at a path of some forecasts of each item, all of them settled but the last of each; their ids."""
    values = [recorded(series, place) for series in table for place in range(100, 100 + 3 * forecasts, 3)]
    ids = keep(path, values)
    end = table.series[0].timestamps[100 + 3 * forecasts - 2]
    with Database(str(path)) as database:
        settle(database, table.until(end), source="later.csv", clock=lambda: datetime(2030, 1, 1, tzinfo=UTC))
    return ids


def execute(path: Path | str, statement: str, **values: object) -> list[tuple[object, ...]]:
    """Do what no gatecast does to a ledger: change it by SQL."""
    with Database(str(path)) as database, database._engine.begin() as connection:
        if database.sqlite:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []
