"""What follows from the rows of the chain: which forecasts wait for prices, the scores of steps, and their sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    Table,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from gatecast.ledger.records import RIVALS, day_of, known_at
from gatecast.ledger.tables import ENTRIES, HELD, IN_TENTH, SUMS, UNIT, WHOLE, Derived

_BATCH = 2000  # rows of the chain at once
_IDS = 500  # of a question; SQLite takes some thousand values


class Row(NamedTuple):
    """A row of the chain: its number, its id, its content."""

    seq: int
    id: str
    content: dict[str, Any]


def apply(connection: Connection, derived: Derived, rows: Iterable[Row]) -> None:
    """Bring the derived tables from the state before these rows, in the order of the chain, to that after them.

    The first outcome of a step counts, and none of a forecast that is void.
    """
    kinds: dict[str, Callable[[Connection, Derived, list[Row]], None]] = {
        "forecast": _forecasts, "outcome": _outcomes, "void": _voids,
    }  # fmt: skip
    for kind, same in groupby(rows, key=lambda row: str(row.content["kind"])):
        kinds[kind](connection, derived, list(same))


def _forecasts(connection: Connection, derived: Derived, rows: list[Row]) -> None:
    fields = ("item", "model", "issued")
    new = [
        {"seq": row.seq, "id": row.id, **{name: row.content[name] for name in fields}, "settled": 0}
        | {"day": day_of(row.content["last_timestamp"]), "horizon": len(row.content["timestamps"])}
        for row in rows
    ]
    connection.execute(insert(derived.waiting), new)


def _outcomes(connection: Connection, derived: Derived, rows: list[Row]) -> None:
    subjects = [row.content["forecast"] for row in rows]
    waiting = {row.id: row for row in waiting_of(connection, derived.waiting, subjects)}
    settled = {own: row.settled for own, row in waiting.items()}
    scores = []
    for row in rows:
        forecast = waiting.get(row.content["forecast"])
        if forecast is None:
            continue
        for step in row.content["steps"]:
            if settled[forecast.id] < step["step"] <= forecast.horizon:
                settled[forecast.id] = step["step"]
                scores.append(_score(forecast, step))
    if not scores:
        return
    connection.execute(insert(derived.scores), scores)
    for table, keys in ((derived.daily, ("model", "step", "day")), (derived.by_item, ("model", "item", "step"))):
        _add(connection, table, keys, scores)
    changed = [{"own": row.seq, "now": settled[own]} for own, row in waiting.items() if settled[own] > row.settled]
    seq, horizon = derived.waiting.c.seq, derived.waiting.c.horizon
    connection.execute(update(derived.waiting).where(seq == bindparam("own")).values(settled=bindparam("now")), changed)
    connection.execute(delete(derived.waiting).where(derived.waiting.c.settled >= horizon))


def waiting_of(connection: Connection, waiting: Table, ids: Sequence[str]) -> Iterator[Any]:
    """The waiting forecasts of these ids."""
    unique = list(dict.fromkeys(ids))
    for first in range(0, len(unique), _IDS):
        yield from connection.execute(select(waiting).where(waiting.c.id.in_(unique[first : first + _IDS])))


def _score(forecast: Any, step: dict[str, Any]) -> dict[str, Any]:
    """The columns of `scores`."""
    whole = {model: None if crps is None else round(crps / UNIT) for model, crps in step["crps"].items()}
    return {
        "seq": forecast.seq, "step": step["step"], "item": forecast.item, "model": forecast.model,
        "timestamp": step["timestamp"], "day": forecast.day, "end": day_of(step["timestamp"]),
        "late": int(forecast.issued >= known_at(step["timestamp"]).strftime("%Y-%m-%dT%H:%M:%S.%fZ")), "void": 0,
        **{name: int(int(name.removeprefix("held_")) in step["held"]) for name in HELD},
        "tenth": step["tenth"], "crps": whole["forecast"], **{f"crps_{rival}": whole.get(rival) for rival in RIVALS},
        "log_return": step["log_return"], "miss": step["miss"],
    }  # fmt: skip


def _sums_of(score: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """What a score adds to each of `SUMS` that it adds to."""
    yield "n", 1
    for name in ("late", *HELD, "crps"):
        yield name, score[name]
    yield IN_TENTH[score["tenth"]], 1
    for rival in RIVALS:
        if (crps := score[f"crps_{rival}"]) is not None:
            yield from ((f"n_{rival}", 1), (f"mine_{rival}", score["crps"]), (f"crps_{rival}", crps))


def _add(connection: Connection, table: Table, keys: Sequence[str], scores: list[dict[str, Any]]) -> None:
    """Add scores to the rows of sums that they belong to."""
    sums: dict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(("end", *SUMS), 0))
    for score in scores:
        row = sums[tuple(score[key] for key in keys)]
        row["end"] = max(row["end"], score["end"])
        for name, value in _sums_of(score):
            row[name] += value
    columns = [*keys, "end", *SUMS]
    grown = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in SUMS)
    later = f'CASE WHEN excluded."end" > {table.name}."end" THEN excluded."end" ELSE {table.name}."end" END'
    names = ", ".join('"end"' if name == "end" else name for name in columns)
    # Both databases know this form; SQLAlchemy has one for each alone.
    connection.execute(
        text(
            f"INSERT INTO {table.name} ({names}) VALUES ({', '.join(f':{name}' for name in columns)}) "
            f'ON CONFLICT ({", ".join(keys)}) DO UPDATE SET "end" = {later}, {grown}'
        ),
        [dict(zip(keys, key, strict=True)) | row for key, row in sums.items()],
    )


def _voids(connection: Connection, derived: Derived, rows: list[Row]) -> None:
    for row in rows:
        seq = connection.execute(select(ENTRIES.c.seq).where(ENTRIES.c.id == row.content["forecast"])).scalar()
        connection.execute(delete(derived.waiting).where(derived.waiting.c.seq == seq))
        mine = derived.scores.c.seq == seq
        touched = connection.execute(select(derived.scores).where(mine, derived.scores.c.void == 0)).mappings().all()
        if not touched:
            continue
        connection.execute(update(derived.scores).where(mine).values(void=1))
        for table, keys in ((derived.daily, ("model", "step", "day")), (derived.by_item, ("model", "item", "step"))):
            for score in touched:
                connection.execute(delete(table).where(*(table.c[key] == score[key] for key in keys)))
                asked = sums_query(derived.scores, keys).where(*(derived.scores.c[key] == score[key] for key in keys))
                connection.execute(insert(table).from_select([*keys, "end", *SUMS], asked))


def sums_query(scores: Table, keys: Sequence[str]) -> Select[Any]:
    """The sums of the scores that are not void, by these columns: the columns of `daily` and `by_item`."""

    def total(value: Any) -> Any:
        return cast(func.sum(value), WHOLE)  # PostgreSQL sums whole numbers to decimals

    c = scores.c
    columns: dict[str, Any] = {"end": func.max(c.end), "n": func.count(), "late": total(c.late)}
    columns |= {name: total(c[name]) for name in HELD}
    columns |= {name: total(case((c.tenth == place, 1), else_=0)) for place, name in enumerate(IN_TENTH)}
    columns["crps"] = total(c.crps)
    for rival in RIVALS:
        theirs = c[f"crps_{rival}"]
        columns |= {f"n_{rival}": func.count(theirs)}
        columns |= {f"mine_{rival}": func.coalesce(total(case((theirs.is_not(None), c.crps), else_=0)), literal(0))}
        columns |= {f"crps_{rival}": func.coalesce(total(theirs), literal(0))}
    group = [c[key] for key in keys]
    return select(*group, *(value.label(name) for name, value in columns.items())).where(c.void == 0).group_by(*group)


def rebuild(connection: Connection, derived: Derived, rows: Iterable[Row]) -> None:
    """Make the derived tables anew from all rows of the chain."""
    for table in derived.all():
        connection.execute(delete(table))
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        apply(connection, derived, batch)
