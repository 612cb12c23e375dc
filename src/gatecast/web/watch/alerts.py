"""What is worth a call: a price outside its band, a band that no longer holds its share, a run that failed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from gatecast.forecast import BANDS, QUANTILES
from gatecast.ledger.drifts import LEVEL, drifts_of_items
from gatecast.ledger.records import canonical, day_of
from gatecast.ledger.tables import DERIVED, ENTRIES

Kind = Literal["outside-band", "drift", "failed"]
_LOW, _HIGH = (list(QUANTILES).index(name) for name in BANDS[LEVEL])
_ASKED = 500  # items in a question


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What the webhook is told; fields that a kind does not have are None.

    `date` is the day of the outcome, for `failed` that of the run. `outside-band`: the one-step forecast of `model`
    gave `band` (low, high; price units when it was recorded) at `level`, and `close` lies outside. `drift`: `since`
    that day the band at `level` held the share `held` of `prices` prices; `false_alarms` is the chance of such an
    alarm, ever, of a band that holds its share. `failed`: `error` is the line.
    """

    kind: Kind
    item: str
    date: str
    model: str | None = None
    level: float | None = None
    close: float | None = None
    band: tuple[float, float] | None = None
    since: str | None = None
    held: float | None = None
    prices: int | None = None
    false_alarms: float | None = None
    error: str | None = None

    @property
    def id(self) -> str:
        """The same for the same event, however often and by whichever server it is found."""
        about = canonical({"kind": self.kind, "item": self.item, "model": self.model, "date": self.date})
        return hashlib.sha256(about.encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """The JSON document of the call: the fields, and `id`."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"id": self.id, **found}


def alerts_since(connection: Connection, items: Sequence[str], since: str) -> list[Alert]:
    """Of these items, the settled outcomes from the day `since` on that lay outside, and the drifts found from it on.

    One step ahead, of forecasts that are not void; of several of a day and model the first recorded.
    """
    return [*_outside(connection, items, since), *_drifting(connection, items, since)]


def _outside(connection: Connection, items: Sequence[str], since: str) -> list[Alert]:
    scores = DERIVED.scores
    found: dict[str, Alert] = {}
    asked = (
        select(scores.c.item, scores.c.model, scores.c.timestamp, scores.c.log_return, ENTRIES.c.content)
        .join(ENTRIES, ENTRIES.c.seq == scores.c.seq)
        .where(scores.c.step == 1, scores.c.void == 0, scores.c[f"held_{LEVEL}"] == 0, scores.c.end >= day_of(since))
        .order_by(scores.c.end, scores.c.seq)
    )
    for first in range(0, len(items), _ASKED):
        for row in connection.execute(asked.where(scores.c.item.in_(list(items[first : first + _ASKED])))):
            content = json.loads(row.content)
            prices = content["quantiles"][0]
            alert = Alert(
                kind="outside-band",
                item=row.item,
                date=row.timestamp,
                model=row.model,
                level=LEVEL / 100,
                close=content["last_close"] * math.exp(row.log_return),
                band=(prices[_LOW], prices[_HIGH]),
            )
            found.setdefault(alert.id, alert)
    return list(found.values())


def _drifting(connection: Connection, items: Sequence[str], since: str) -> list[Alert]:
    scores, found = DERIVED.scores, []
    fresh = select(scores.c.model, scores.c.item).where(
        scores.c.step == 1, scores.c.void == 0, scores.c.end >= day_of(since)
    )
    by_model: dict[str, list[str]] = {}
    for first in range(0, len(items), _ASKED):
        some = fresh.where(scores.c.item.in_(list(items[first : first + _ASKED]))).distinct()
        for model, item in connection.execute(some.order_by(scores.c.model, scores.c.item)):
            by_model.setdefault(model, []).append(item)
    for model, of_model in by_model.items():
        for item, drift in drifts_of_items(connection, model, of_model).items():
            if drift.found is not None and drift.found >= since:
                found.append(
                    Alert(
                        kind="drift",
                        item=item,
                        date=drift.found,
                        model=model,
                        level=LEVEL / 100,
                        since=drift.since,
                        held=drift.held,
                        prices=drift.n,
                        false_alarms=drift.false_alarms,
                    )
                )
    return found
