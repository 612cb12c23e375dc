"""Settling: new prices come, and the recorded forecasts that are due are held against them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Float
from sqlalchemy import Connection, func, select

from gatecast.forecast import BANDS, QUANTILES
from gatecast.judge.metrics import ROUNDING, crps_quantiles, inside
from gatecast.ledger.chain import append
from gatecast.ledger.database import Database
from gatecast.ledger.recording import Clock, now
from gatecast.ledger.records import RIVALS, Outcome, Step, day_of, known_at, moment_text, utc_text
from gatecast.ledger.revisions import Match, match
from gatecast.ledger.tables import DERIVED, ENTRIES
from gatecast.notes import Note, merged
from gatecast.prices import PriceSeries, PriceTable, check_prices
from gatecast.text import clean, listed

_AT_ONCE = 500  # forecasts in memory
_NAMES = tuple(QUANTILES)
_LEVELS = np.array(list(QUANTILES.values()))
_DECILES = np.array([_NAMES.index(f"q{tenth}0") for tenth in range(1, 10)])
_MEDIAN, _LOW, _HIGH = (_NAMES.index(name) for name in ("q50", *BANDS[90]))
_FARTHEST = 1e6  # half widths of a band, of a miss; a price that was pegged has bands without width


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What new prices settled: how many steps of how many forecasts; `waiting` of the ledger have steps to come.

    `notes` are for the reader: prices that were adjusted or revised, forecasts that could not be settled.
    """

    forecasts: int
    steps: int
    waiting: int
    notes: tuple[Note, ...]


def settle(database: Database, prices: PriceTable, *, source: str = "", clock: Clock = now) -> Settlement:
    """Hold every forecast of these items that is due against the prices, in one transaction.

    Step h of a forecast is the h-th row after its last one, as in a walk-forward test, once its day has ended. Each
    step is settled once. Prices that were adjusted by one ratio since are brought back by it; of others the closes are
    taken as they are now, and the change is noted. A forecast whose last rows the prices do not have is left waiting,
    with a note.
    """
    check_prices(prices)
    moment, data = clock(), prices.data_hash()
    about: dict[str, Any] = {"settled": utc_text(moment), "source": clean(source), "data": data}
    notes: list[Note] = []
    forecasts = steps = 0
    with database.writing() as connection:
        due = _due(connection, prices, moment, notes)
        while batch := list(islice(due, _AT_ONCE)):
            rows = append(connection, [Outcome(**about, **fields) for fields in _scored(batch)])
            forecasts += len(rows)
            steps += sum(len(row.content["steps"]) for row in rows)
        waiting = connection.execute(select(func.count()).select_from(DERIVED.waiting)).scalar_one()
        if not forecasts and waiting:
            notes += _strangers(connection, prices)
    return Settlement(forecasts=forecasts, steps=steps, waiting=waiting, notes=merged(notes))


def _strangers(connection: Connection, prices: PriceTable) -> Iterator[Note]:
    """A note where none of the items has a forecast that waits: the file of prices may have another name."""
    items = select(DERIVED.waiting.c.item).distinct().order_by(DERIVED.waiting.c.item)
    known = connection.execute(items).scalars().all()
    if not set(known) & set(prices.item_ids):
        text = f"no forecast of {listed(prices.item_ids)} waits for prices; those that wait are of {listed(known)}"
        yield Note("data", f"{text}. An asset of a file without a column for it is named after the file")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Due:
    """A forecast, the rows of new prices that settle its next steps, and how the prices are the recorded ones."""

    id: str
    content: dict[str, Any]
    first: int  # step
    timestamps: tuple[str, ...]
    log_returns: Float[np.ndarray, " steps"]
    match: Match


def _due(connection: Connection, prices: PriceTable, moment: datetime, notes: list[Note]) -> Iterator[_Due]:
    """The forecasts of these items that are due, in the order of the chain for some items at a time."""
    ended = {series.item_id: rows for series in prices if (rows := _ended(series, moment))}
    items = iter(ended)
    while some := list(islice(items, _AT_ONCE)):
        newest = max(day_of(moment_text(prices[item].timestamps[ended[item] - 1])) for item in some)
        for row in _waiting(connection, some, newest):
            series = prices[row.item]
            if day_of(moment_text(series.timestamps[ended[row.item] - 1])) >= row.day:
                yield from _next_steps(row, series, ended[row.item], notes)


def _waiting(connection: Connection, items: Sequence[str], newest: int) -> Iterator[Any]:
    """Waiting forecasts of these items from cutoffs up to a day; they may be settled while they are read."""
    table = DERIVED.waiting
    asked = (
        select(table.c.seq, table.c.id, table.c.item, table.c.day, table.c.settled, table.c.horizon, ENTRIES.c.content)
        .join(ENTRIES, ENTRIES.c.seq == table.c.seq)
        .where(table.c.item.in_(items), table.c.day <= newest)
        .order_by(table.c.seq)
        .limit(_AT_ONCE)
    )
    last = 0
    while rows := connection.execute(asked.where(table.c.seq > last)).all():
        yield from rows
        last = rows[-1].seq


def _ended(series: PriceSeries, moment: datetime) -> int:
    """How many rows are of days that have ended: today's close may still move."""
    rows = len(series)
    while rows and known_at(moment_text(series.timestamps[rows - 1])) > moment:
        rows -= 1
    return rows


def _next_steps(row: Any, series: PriceSeries, ended: int, notes: list[Note]) -> Iterator[_Due]:
    """The due steps of a forecast, if there are any and the prices are those it was made from."""
    content = json.loads(row.content)
    last = np.datetime64(content["last_timestamp"], "ns")
    after = int(np.searchsorted(series.timestamps, last, side="right"))
    first, stop = after + row.settled, min(after + row.horizon, ended)
    if first >= stop:
        return
    found = match(series, content)
    notes += found.notes
    if found.ratio is not None:
        yield _Due(
            id=row.id,
            content=content,
            first=row.settled + 1,
            timestamps=tuple(map(moment_text, series.timestamps[first:stop])),
            log_returns=np.log(series.close[first:stop] / (content["last_close"] * found.ratio)),
            match=found,
        )


def _scored(due: Sequence[_Due]) -> Iterator[dict[str, Any]]:
    """The fields of an `Outcome` that follow from forecast and prices, all forecasts scored at once."""
    moves = np.concatenate([each.log_returns for each in due])
    own = _log_quantiles(due, [each.content["quantiles"] for each in due])
    crps = {"forecast": crps_quantiles(own, moves, _LEVELS)}
    for rival in RIVALS:
        theirs = _log_quantiles(due, [each.content["rivals"].get(rival) for each in due])
        crps[rival] = crps_quantiles(theirs, moves, _LEVELS)
    last = np.repeat([each.content["last_close"] for each in due], [len(each.log_returns) for each in due])
    actual, prices = last * np.exp(moves), last[:, None] * np.exp(own)
    held = {level: inside(prices[:, _at(low)], prices[:, _at(high)], actual) for level, (low, high) in BANDS.items()}
    half = np.maximum((own[:, _HIGH] - own[:, _LOW]) / 2, 1e-12)
    miss = np.minimum(np.abs(moves - own[:, _MEDIAN]) / half, _FARTHEST)
    tenths = _tenths(prices[:, _DECILES], actual)
    rows = iter(range(len(moves)))
    for each in due:
        steps = tuple(
            Step(
                step=step,
                timestamp=timestamp,
                log_return=float(moves[row]),
                crps={name: _number(values[row]) for name, values in crps.items()},
                held=tuple(level for level, hit in held.items() if hit[row]),
                tenth=int(tenths[row]),
                miss=round(float(miss[row]), 6),
            )
            for step, timestamp, row in zip(
                range(each.first, each.first + len(each.timestamps)), each.timestamps, rows, strict=False
            )
        )
        yield {"forecast": each.id, "ratio": each.match.ratio, "revised": each.match.revised, "steps": steps}


def _at(name: str) -> int:
    return _NAMES.index(name)


def _log_quantiles(due: Sequence[_Due], tables: Iterable[Any]) -> Float[np.ndarray, "rows levels"]:
    """Log returns from the last close at each due step; NaN where there is no forecast."""
    parts = []
    for each, table in zip(due, tables, strict=True):
        steps = slice(each.first - 1, each.first - 1 + len(each.timestamps))
        if table is None:
            parts.append(np.full((len(each.timestamps), len(_LEVELS)), np.nan))
        else:
            parts.append(np.log(np.array(table[steps]) / each.content["last_close"]))
    return np.concatenate(parts)


def _tenths(deciles: Float[np.ndarray, "rows 9"], actual: Float[np.ndarray, " rows"]) -> np.ndarray:
    """The tenth of the distribution in which each price fell, 0 to 9; the middle one of several that it ties with."""
    slack = ROUNDING * np.abs(actual)
    below = (deciles < (actual - slack)[:, None]).sum(axis=1)
    not_above = (deciles <= (actual + slack)[:, None]).sum(axis=1)
    return np.asarray((below + not_above) // 2)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 12)
