"""The forecasts that were recorded of an item, the latest first, and what changed from one to the next."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import select, union

from gatecast.forecast import BANDS, QUANTILES
from gatecast.ledger.database import Database
from gatecast.ledger.records import Recorded
from gatecast.ledger.revisions import match
from gatecast.ledger.tables import DERIVED, ENTRIES
from gatecast.prices import PriceSeries

_ASKED = 500  # items in a question
_LOOKED_AT = 1000  # waiting forecasts
_PLACES = {name: place for place, name in enumerate(QUANTILES)}


@dataclass(frozen=True)
class Issued:
    """A recorded forecast with the id of its row."""

    id: str
    forecast: Recorded


def issued(database: Database, item: str, *, most: int = 20) -> tuple[Issued, ...]:
    """The last `most` forecasts recorded of an item that are not void, the latest first."""
    waiting, scores = DERIVED.waiting, DERIVED.scores
    places = union(
        select(waiting.c.seq).where(waiting.c.item == item),
        select(scores.c.seq).where(scores.c.item == item, scores.c.void == 0),
    ).subquery()
    asked = select(ENTRIES.c.id, ENTRIES.c.content).join(places, places.c.seq == ENTRIES.c.seq)
    with database.reading() as connection:
        found = connection.execute(asked.order_by(ENTRIES.c.seq.desc()).limit(most)).all()
    return tuple(Issued(row.id, Recorded.model_validate_json(row.content)) for row in found)


def due(database: Database, ends: Mapping[str, np.datetime64]) -> int:
    """How many recorded forecasts have a step that prices up to these timestamps may settle, a thousand at most.

    `ends` has the last timestamp of each item.
    """
    waiting, items, found = DERIVED.waiting, list(ends), 0
    newest = max((int(stamp.astype("datetime64[D]").astype(np.int64)) for stamp in ends.values()), default=0)
    asked = (
        select(waiting.c.item, waiting.c.settled, ENTRIES.c.content)
        .join(ENTRIES, ENTRIES.c.seq == waiting.c.seq)
        .where(waiting.c.day < newest)
        .limit(_LOOKED_AT)
    )
    with database.reading() as connection:
        for first in range(0, len(items), _ASKED):
            for row in connection.execute(asked.where(waiting.c.item.in_(items[first : first + _ASKED]))):
                following = np.datetime64(json.loads(row.content)["timestamps"][row.settled])
                found += bool(following <= ends[row.item])
            if found >= _LOOKED_AT:
                break
    return min(found, _LOOKED_AT)


@dataclass(frozen=True, kw_only=True)
class Band:
    """The median and the 90% band of a forecast at a timestamp; price units of the later forecast."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changed from the forecast `before` of an item (an id) to a later one.

    `close_before` and `close` are the last closes, the first in the prices of today (`ratio` times what it was, as
    after a split); `expected`: the earlier band at the later one's last row, None where it did not reach it.
    `next_before` and `next`: the width of the 90% band of the first step, high over low less one. At `timestamp`, the
    last that both forecast, stand `then` and `now`; None where there is none. `moved` is the log change of the median
    there, of which `by_price` is the log change of the close. `other` names what made the forecasts differ beside the
    prices: "model", "settings", "version", "paths", "seed". `revised` is the largest relative change of a close that
    both know, and `data` says what became of them.
    """

    before: str
    issued_before: str
    cutoff_before: str
    cutoff: str
    close_before: float
    close: float
    ratio: float
    expected: Band | None
    next_before: float
    next: float
    timestamp: str | None
    then: Band | None
    now: Band | None
    moved: float | None
    by_price: float
    other: tuple[str, ...]
    revised: float
    data: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return found


def change_between(earlier: Issued, later: Recorded, series: PriceSeries | None = None) -> Change:
    """What changed from a forecast of an item to a later one; `series` are the prices that the later one knew.

    Without a series the closes that were recorded with the later one stand for it.
    """
    before = earlier.forecast
    known = _recent(later) if series is None else series
    found = match(known, before.content())
    ratio = 1.0 if found.ratio is None else found.ratio
    common = [stamp for stamp in before.timestamps if stamp in later.timestamps]
    then = now = None
    if common:
        then, now = _band(before, common[-1], ratio), _band(later, common[-1])
    close_before = ratio * before.last_close
    return Change(
        before=earlier.id,
        issued_before=before.issued,
        cutoff_before=before.last_timestamp,
        cutoff=later.last_timestamp,
        close_before=close_before,
        close=later.last_close,
        ratio=ratio,
        expected=_band(before, later.last_timestamp, ratio) if later.last_timestamp in before.timestamps else None,
        next_before=_width(before),
        next=_width(later),
        timestamp=common[-1] if common else None,
        then=then,
        now=now,
        moved=None if then is None or now is None else math.log(now.median / then.median),
        by_price=math.log(later.last_close / close_before),
        other=tuple(_other(before, later)),
        revised=found.revised,
        data="".join(note.text.replace("not settled", "not compared") for note in found.notes),
    )


def _recent(forecast: Recorded) -> PriceSeries:
    stamps = np.array([np.datetime64(stamp, "ns") for stamp, _ in forecast.recent])
    return PriceSeries(
        item_id=forecast.item, timestamps=stamps, close=np.array([close for _, close in forecast.recent])
    )


def _band(forecast: Recorded, timestamp: str, ratio: float = 1.0) -> Band:
    row = forecast.quantiles[forecast.timestamps.index(timestamp)]
    low, median, high = (ratio * row[_PLACES[name]] for name in (BANDS[90][0], "q50", BANDS[90][1]))
    return Band(low=low, median=median, high=high)


def _width(forecast: Recorded) -> float:
    band = _band(forecast, forecast.timestamps[0])
    return band.high / band.low - 1


def _other(before: Recorded, later: Recorded) -> Sequence[str]:
    fields = {"model": "model", "settings": "config", "version": "version", "paths": "paths", "seed": "seed"}
    return [name for name, field in fields.items() if getattr(before, field) != getattr(later, field)]
