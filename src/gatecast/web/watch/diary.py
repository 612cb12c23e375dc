"""What the watch has done, a row a place and trading day: whichever server adds it makes the run of that day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, func, select, text, update

from gatecast.ledger.recording import now
from gatecast.ledger.records import utc_text
from gatecast.web.store import ENDED, Store
from gatecast.web.tables import JOBS, WATCHED

State = Literal["seen", "made", "unchanged", "failed"]
_ASKED = 500  # places in a question


class Taken(Exception):
    """The run of this place and day has been made, or begun, already."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The run of a place on a trading day.

    `seen`: there was none, for the watch of it began after that day's time. `made`: `job` was queued from `source`.
    `unchanged`: no row was newer than in the run before. `failed`: `error` says why there is no job. `newest` stands
    for the last timestamp of each asset.
    """

    place: str
    day: str
    state: State
    began: str  # UTC
    source: str | None
    job: str | None
    newest: str | None
    error: str | None
    settled: bool
    ended: bool


def last_runs(store: Store, keys: Sequence[str]) -> dict[str, Run]:
    """The run of the latest day of each of these places that has one."""
    found: dict[str, Run] = {}
    for first in range(0, len(keys), _ASKED):
        some = list(keys[first : first + _ASKED])
        latest = select(WATCHED.c.place, func.max(WATCHED.c.day).label("day")).where(WATCHED.c.place.in_(some))
        newest = latest.group_by(WATCHED.c.place).subquery()
        asked = select(WATCHED).join(newest, (newest.c.place == WATCHED.c.place) & (newest.c.day == WATCHED.c.day))
        with store.database.reading() as connection:
            found |= {row.place: _run(row) for row in connection.execute(asked)}
    return found


def job_states(store: Store, ids: Sequence[str]) -> dict[str, str]:
    """The state of each of these jobs."""
    asked = select(JOBS.c.id, JOBS.c.state).where(JOBS.c.id.in_(list(ids)))
    with store.database.reading() as connection:
        return {str(own): str(state) for own, state in connection.execute(asked)}


def made(store: Store, due: Mapping[str, date]) -> set[str]:
    """Those of the places that have a run of the day that is due for them."""
    by_day: dict[str, list[str]] = {}
    for key, day in due.items():
        by_day.setdefault(day.isoformat(), []).append(key)
    found: set[str] = set()
    with store.database.reading() as connection:
        for iso, keys in by_day.items():
            for first in range(0, len(keys), _ASKED):
                mine = (WATCHED.c.day == iso) & WATCHED.c.place.in_(keys[first : first + _ASKED])
                found |= set(connection.execute(select(WATCHED.c.place).where(mine)).scalars())
    return found


def first_day(store: Store, key: str) -> str | None:
    """The day of the first run of a place; None before there is one."""
    with store.database.reading() as connection:
        return connection.execute(select(func.min(WATCHED.c.day)).where(WATCHED.c.place == key)).scalar()


def run_before(store: Store, run: Run) -> Run | None:
    """The last run of the same place, before this one's day, that knows its prices."""
    mine = (WATCHED.c.place == run.place) & (WATCHED.c.day < run.day) & WATCHED.c.newest.is_not(None)
    with store.database.reading() as connection:
        row = connection.execute(select(WATCHED).where(mine).order_by(WATCHED.c.day.desc()).limit(1)).first()
    return None if row is None else _run(row)


def last_newest(store: Store, key: str) -> str | None:
    """The last timestamps that a run of this place has known."""
    mine = (WATCHED.c.place == key) & WATCHED.c.newest.is_not(None)
    with store.database.reading() as connection:
        return connection.execute(select(WATCHED.c.newest).where(mine).order_by(WATCHED.c.day.desc()).limit(1)).scalar()


def keep(store: Store, key: str, day: date, state: State, **more: str | None) -> bool:
    """Keep a run that needs no job; whether this server was the first."""
    with store.database.changing() as connection:
        try:
            take(connection, key, day, state, ended=1, settled=1, **more)
        except Taken:
            return False
    return True


def take(connection: Connection, key: str, day: date, state: State, *, ended: int, settled: int, **more: Any) -> None:
    """Add the row of a place and day in a transaction; raises `Taken` where it is there."""
    values = {
        "place": key, "day": day.isoformat(), "state": state, "began": utc_text(now()), "source": None, "job": None,
        "newest": None, "error": None, "settled": settled, "ended": ended, **more,
    }  # fmt: skip
    names = ", ".join(values)
    # Both databases know this form; SQLAlchemy has one for each alone.
    done = connection.execute(
        text(
            f"INSERT INTO watched ({names}) VALUES ({', '.join(f':{name}' for name in values)}) "
            "ON CONFLICT (place, day) DO NOTHING"
        ),
        values,
    )
    if done.rowcount != 1:
        raise Taken


def to_settle(store: Store) -> list[Run]:
    """Runs whose prices were not held against the ledger yet."""
    return _runs(store, (WATCHED.c.state == "made") & (WATCHED.c.settled == 0))


def just_ended(store: Store) -> list[tuple[Run, str, str | None]]:
    """Runs whose job has ended and that nobody was told of: with the job's state and error."""
    mine = (WATCHED.c.state == "made") & (WATCHED.c.ended == 0)
    asked = select(WATCHED, JOBS.c.state.label("job_state"), JOBS.c.error.label("job_error"))
    asked = asked.join(JOBS, JOBS.c.id == WATCHED.c.job).where(mine, JOBS.c.state.in_(ENDED)).order_by(JOBS.c.seq)
    with store.database.reading() as connection:
        return [(_run(row), row.job_state, row.job_error) for row in connection.execute(asked)]


def mark(connection: Connection, run: Run, **values: int) -> None:
    """Set `settled` or `ended` of a run."""
    mine = (WATCHED.c.place == run.place) & (WATCHED.c.day == run.day)
    connection.execute(update(WATCHED).where(mine).values(**values))


def newest_of(items: Sequence[Mapping[str, Any]]) -> str:
    """What stands for the last timestamp of each asset that was read."""
    ends = sorted([str(item["item_id"]), str(item["last"])] for item in items)
    return hashlib.sha256(json.dumps(ends).encode()).hexdigest()


def _runs(store: Store, chosen: Any) -> list[Run]:
    with store.database.reading() as connection:
        return [_run(row) for row in connection.execute(select(WATCHED).where(chosen).order_by(WATCHED.c.began))]


def _run(row: Any) -> Run:
    values = {name: getattr(row, name) for name in Run.__dataclass_fields__}
    return Run(**{**values, "settled": bool(row.settled), "ended": bool(row.ended)})
