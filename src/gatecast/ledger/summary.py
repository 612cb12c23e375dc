"""The record: how the forecasts that were issued did, against the rivals that were recorded with them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from sqlalchemy import ColumnElement, Connection, cast, func, select

from gatecast.errors import UsageError
from gatecast.forecast import BANDS, QUANTILES
from gatecast.judge.coverage import moments_test, pit_moments
from gatecast.judge.decision import ALPHA, LEAST_ORIGINS
from gatecast.judge.plan import apart, overlaps
from gatecast.judge.significance import diebold_mariano, holm, share_interval
from gatecast.ledger.chain import head_of
from gatecast.ledger.database import Database
from gatecast.ledger.derive import sums_query
from gatecast.ledger.drifts import BandDrift, drifts_of_items, drifts_of_steps
from gatecast.ledger.records import BAND_LEVELS, RIVALS, TENTHS
from gatecast.ledger.tables import DERIVED, ENTRIES, IN_TENTH, SUMS, UNIT, WHOLE
from gatecast.text import shown

Word = Literal["skill", "no evidence", "worse", "too few to tell"]
MISSES = 10  # that are shown unless asked for otherwise
DRIFTS = 20  # items whose bands are tested for drift, those with the most settled steps; others when asked for alone
_MIDDLES = (np.arange(TENTHS) + 0.5) / TENTHS


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The share of prices in a band, and its 95% interval; every day of issue counts once."""

    level: int
    held: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Against:
    """CRPS against a rival on the days both have one: means, and the Diebold-Mariano test; `p_holm` over the rivals.

    `dm` > 0 where the forecast has the smaller CRPS; None, and a `p_value` of 1, where the days cannot tell.
    """

    rival: str
    crps: float
    crps_rival: float
    dm: float | None
    p_value: float
    p_holm: float
    word: Word


@dataclass(frozen=True, kw_only=True)
class Part:
    """The score of a model over all steps ("all") or at one step.

    `n` settled steps of forecasts from `days` days, of which `apart` share no days; `late` were issued after their
    outcome could be known. `crps`: mean of the log return's, from quantiles. `pit`: the share of prices in each tenth
    of their forecast, from the lowest; `pit_p`: that they are even, None where the days are too few. `drift`: of one
    step on one asset, whether its band still holds its share.
    """

    step: int | str
    n: int
    late: int
    days: int
    apart: int
    first: str
    last: str
    enough: bool
    crps: float
    coverage: tuple[Coverage, ...]
    against: tuple[Against, ...]
    pit: tuple[float, ...]
    pit_p: float | None
    drift: BandDrift | None = None


@dataclass(frozen=True, kw_only=True)
class OfItem:
    """The score of a model on one item, over all steps; CRPS of the random walk on the same rows.

    `drift`: whether its band one step ahead still holds its share; None beyond the first `DRIFTS` items.
    """

    item: str
    n: int
    crps: float
    crps_random_walk: float | None
    held_90: float
    drift: BandDrift | None = None


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A settled step that lay far from its forecast: `miss` is its distance from the median in half widths of the
    90% band, whose ends, as prices when it was issued, are `low` and `high`."""

    id: str
    item: str
    model: str
    issued: str
    cutoff: str
    step: int
    timestamp: str
    low: float
    median: float
    high: float
    observed: float
    miss: float


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What the ledger says of one model; items by their number of settled steps, misses by their size."""

    model: str
    parts: tuple[Part, ...]
    items: tuple[OfItem, ...]
    misses: tuple[Miss, ...]


@dataclass(frozen=True, kw_only=True)
class VoidRecord:
    """A recorded forecast that is not scored, and why."""

    id: str
    voided: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The record of a ledger: `rows` of its chain with the latest hash `head`, `waiting` forecasts with steps to come.

    `record`: a `ModelRecord` each model that has a settled step.
    """

    rows: int
    head: str
    waiting: int
    voided: tuple[VoidRecord, ...]
    record: tuple[ModelRecord, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `gatecast ledger show --json`: the fields above, plain types."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return found


def summarize(
    database: Database, *, item: str | None = None, model: str | None = None, misses: int = MISSES
) -> Summary:
    """The record of every model, or of one; on all items, or on one. Raises `UsageError` where there is none such."""
    table = DERIVED.scores if item is not None else DERIVED.daily
    with database.reading() as connection:
        chosen = [] if item is None else [DERIVED.scores.c.item == item, DERIVED.scores.c.void == 0]
        names = sorted(connection.execute(_models(table, chosen)).scalars())
        waiting = select(func.count()).select_from(DERIVED.waiting).where(*_waiting(item, model))
        head, count = head_of(connection), connection.execute(waiting).scalar_one()
        _check_known(connection, item, model, names, count)
        names = [name for name in names if model in (None, name)]
        return Summary(
            rows=head.seq,
            head=head.hash,
            waiting=count,
            voided=_voided(connection),
            record=tuple(_record(connection, name, item, misses) for name in names),
        )


def _models(table: Any, chosen: Sequence[ColumnElement[bool]]) -> Any:
    return select(table.c.model).where(*chosen).distinct()


def _waiting(item: str | None, model: str | None) -> list[ColumnElement[bool]]:
    asked = {"item": item, "model": model}
    return [DERIVED.waiting.c[name] == value for name, value in asked.items() if value is not None]


def _check_known(connection: Connection, item: str | None, model: str | None, names: list[str], waiting: int) -> None:
    asked = ", ".join(f"{what} {shown(name)}" for what, name in (("item", item), ("model", model)) if name is not None)
    if asked and not waiting and (not names or model not in (None, *names)):
        known = sorted(connection.execute(_models(DERIVED.by_item, [])).scalars())
        there = f" Its models are: {', '.join(known)}." if known else ""
        raise UsageError(f"the ledger has no forecast of {asked}.{there} Leave the choice out to see all.")


def _voided(connection: Connection) -> tuple[VoidRecord, ...]:
    asked = select(ENTRIES.c.content).where(ENTRIES.c.kind == "void").order_by(ENTRIES.c.seq.desc())
    contents = map(json.loads, connection.execute(asked).scalars())
    return tuple(VoidRecord(id=each["forecast"], voided=each["voided"], reason=each["reason"]) for each in contents)


def _record(connection: Connection, model: str, item: str | None, misses: int) -> ModelRecord:
    by_item = DERIVED.by_item
    table = sums_of(connection, model, item)
    steps = np.unique(table["step"]).tolist()
    parts = [
        part_of("all", table),
        *(part_of(step, {k: v[table["step"] == step] for k, v in table.items()}) for step in steps),
    ]
    of_items = select(by_item.c.item, *(cast(func.sum(by_item.c[name]), WHOLE).label(name) for name in _OF_ITEM))
    of_items = of_items.where(by_item.c.model == model, *([] if item is None else [by_item.c.item == item]))
    found = connection.execute(of_items.group_by(by_item.c.item)).all()
    items = sorted(map(_of_item, found), key=lambda each: (-each.n, each.item))
    drifts = drifts_of_items(connection, model, [each.item for each in items[:DRIFTS]])
    of_steps = {} if item is None else drifts_of_steps(connection, model, item)
    return ModelRecord(
        model=model,
        parts=tuple(
            part if part.step == "all" else replace(part, drift=of_steps.get(int(part.step))) for part in parts
        ),
        items=tuple(replace(each, drift=drifts.get(each.item)) for each in items),
        misses=tuple(_misses(connection, model, item, misses)),
    )


def sums_of(connection: Connection, model: str, item: str | None) -> dict[str, np.ndarray]:
    """The columns of the table `daily` for a model, on all items or on one: an array each, (rows,)."""
    daily, scores = DERIVED.daily, DERIVED.scores
    if item is None:
        asked = select(*(daily.c[name] for name in ("step", "day", "end", *SUMS))).where(daily.c.model == model)
    else:
        asked = sums_query(scores, ("step", "day")).where(scores.c.model == model, scores.c.item == item)
    rows = np.array([tuple(row) for row in connection.execute(asked)], dtype=np.int64)  # (rows, columns)
    names = ("step", "day", "end", *SUMS)
    return dict(zip(names, rows.reshape(-1, len(names)).T, strict=True))


_OF_ITEM = ("n", "crps", "held_90", "n_random_walk", "crps_random_walk")


def _of_item(row: Any) -> OfItem:
    walk = row.crps_random_walk * UNIT / row.n_random_walk if row.n_random_walk else None
    crps, held = row.crps * UNIT / row.n, row.held_90 / row.n
    return OfItem(item=row.item, n=row.n, crps=crps, crps_random_walk=walk, held_90=held)


def part_of(step: int | str, table: dict[str, np.ndarray]) -> Part:
    """The score of some rows of `sums_of`; those of a day are put together."""
    days, place = np.unique(table["day"], return_inverse=True)
    ends = np.zeros(len(days), dtype=np.int64)
    np.maximum.at(ends, place, table["end"])
    sums = {name: np.bincount(place, weights=table[name]) for name in SUMS}
    n, overlap, separate = sums["n"], overlaps(days, ends), apart(days, ends)
    coverage = []
    for level in BAND_LEVELS:
        share, low, high = share_interval(sums[f"held_{level}"] / n, int(n.sum()), overlap=overlap)
        coverage.append(Coverage(level=level, held=share, low=low, high=high))
    shares = np.stack([sums[name] for name in IN_TENTH], axis=1) / n[:, None]  # (days, tenths)
    p_value = moments_test((shares @ _moments())[:: overlap + 1])
    return Part(
        step=step,
        n=int(n.sum()),
        late=int(sums["late"].sum()),
        days=len(days),
        apart=separate,
        first=_iso(int(days[0])),
        last=_iso(int(days[-1])),
        enough=separate >= LEAST_ORIGINS,
        crps=float(np.mean(sums["crps"] / n)) * UNIT,
        coverage=tuple(coverage),
        against=tuple(_against(sums, days, ends, overlap)),
        pit=tuple((np.sum([sums[name] for name in IN_TENTH], axis=1) / n.sum()).tolist()),
        pit_p=None if math.isnan(p_value[0]) else p_value[1],
    )


def _moments() -> np.ndarray:
    """The moments of each tenth's middle, (tenths, moments), less what an even PIT has of them."""
    moments = pit_moments(_MIDDLES).T
    return np.asarray(moments - moments.mean(axis=0))


def _against(sums: dict[str, np.ndarray], days: np.ndarray, ends: np.ndarray, overlap: int) -> list[Against]:
    found = []
    for rival in RIVALS:
        count = sums[f"n_{rival}"]
        both = count > 0
        if not both.any():
            continue
        mine, theirs = (sums[f"{what}_{rival}"][both] * UNIT / count[both] for what in ("mine", "crps"))
        test = diebold_mariano(theirs - mine, overlap=min(overlap, max(int(both.sum()) - 2, 0)))
        enough = apart(days[both], ends[both]) >= LEAST_ORIGINS
        found.append((rival, float(mine.mean()), float(theirs.mean()), test, enough))
    adjusted = holm(np.array([test.p_value for *_, test, _ in found]))
    return [
        Against(
            rival=rival, crps=mine, crps_rival=theirs, dm=None if not math.isfinite(test.dm) else test.dm,
            p_value=test.p_value, p_holm=float(p), word=_word(test.mean, float(p), enough),
        )
        for (rival, mine, theirs, test, enough), p in zip(found, adjusted, strict=True)
    ]  # fmt: skip


def _word(gain: float, p_holm: float, enough: bool) -> Word:
    if not enough:
        return "too few to tell"
    return "no evidence" if p_holm >= ALPHA else "skill" if gain > 0 else "worse"


def _misses(connection: Connection, model: str, item: str | None, most: int) -> list[Miss]:
    scores = DERIVED.scores
    chosen = [scores.c.model == model, scores.c.void == 0, *([] if item is None else [scores.c.item == item])]
    asked = select(scores, ENTRIES.c.content, ENTRIES.c.id).join(ENTRIES, ENTRIES.c.seq == scores.c.seq).where(*chosen)
    found = []
    for row in connection.execute(asked.order_by(scores.c.miss.desc(), scores.c.seq).limit(most)):
        content = json.loads(row.content)
        quantiles = dict(zip(QUANTILES, content["quantiles"][row.step - 1], strict=True))
        low, high = (quantiles[name] for name in BANDS[90])
        found.append(
            Miss(
                id=row.id, item=row.item, model=row.model, issued=content["issued"], cutoff=content["last_timestamp"],
                step=row.step, timestamp=row.timestamp, low=low, median=quantiles["q50"], high=high,
                observed=content["last_close"] * math.exp(row.log_return), miss=row.miss,
            )
        )  # fmt: skip
    return found


def _iso(day: int) -> str:
    return str(np.datetime64(day, "D"))
