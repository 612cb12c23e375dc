"""Who works at a job: claimed by one worker, kept alive by its server, given to another where both are gone.

No clock of the day decides anything. Each time a job is begun its `attempt` grows, and only the worker that holds the
last attempt can end it: whoever was thought dead and comes back changes nothing. That a server is gone is seen by its
`beat`, a counter that stands still for the length of a lease by the observer's own monotonic clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, case, select, update

from gatecast.ledger.chain import append
from gatecast.ledger.recording import now
from gatecast.ledger.records import Recorded, utc_text
from gatecast.web.store import Job, State, Store
from gatecast.web.tables import JOBS

MOST_DEATHS = 5  # workers that died at one job: it is likely the job that kills them


class LostJob(Exception):
    """The job was given to another worker, or is no longer there: what this one makes of it is dropped."""


def claim(store: Store, *, server: str, owner: str) -> Job | None:
    """Begin the job that has waited longest; None where none waits."""
    first = select(JOBS.c.id).where(JOBS.c.state == "queued").order_by(JOBS.c.seq).limit(1)
    with store.database.reading() as connection:
        if connection.execute(first).first() is None:
            return None
    with store.database.changing() as connection:
        own = connection.execute(first.with_for_update(skip_locked=True)).scalar_one_or_none()
        if own is None:
            return None
        connection.execute(
            update(JOBS)
            .where(JOBS.c.id == own)
            .values(
                state="running", server=server, owner=owner, attempt=JOBS.c.attempt + 1, beat=JOBS.c.beat + 1,
                started=case((JOBS.c.started.is_(None), utc_text(now())), else_=JOBS.c.started),
            )
        )  # fmt: skip
    return store.job(own)


def report(store: Store, job: Job, owner: str, progress: Mapping[str, Any]) -> bool:
    """Keep how far a job is; whether a stop was asked for. Raises `LostJob`."""
    with store.database.changing() as connection:
        held = update(JOBS).where(_held(job, owner)).values(progress=json.dumps(dict(progress), allow_nan=False))
        if connection.execute(held).rowcount != 1:
            raise LostJob
        return bool(connection.execute(select(JOBS.c.stop).where(JOBS.c.id == job.id)).scalar_one())


def end(
    store: Store,
    job: Job,
    owner: str,
    *,
    state: State,
    seconds: float,
    error: str | None = None,
    made: bool = False,
    records: Sequence[Recorded] = (),
) -> None:
    """End a job and keep its forecasts in the ledger, both or neither. Raises `LostJob`."""
    held = update(JOBS).where(_held(job, owner))
    ended = {"state": state, "finished": utc_text(now()), "seconds": seconds, "error": error, "made": int(made)}
    with store.database.writing() if records else store.database.changing() as connection:
        if connection.execute(held.values(**ended, owner=None, server=None)).rowcount != 1:
            raise LostJob
        if records:
            append(connection, records)


def beat(store: Store, server: str) -> None:
    """Say that a server lives."""
    mine = (JOBS.c.state == "running") & (JOBS.c.server == server)
    with store.database.reading() as connection:
        if connection.execute(select(JOBS.c.id).where(mine).limit(1)).first() is None:
            return
    with store.database.changing() as connection:
        connection.execute(update(JOBS).where(mine).values(beat=JOBS.c.beat + 1))


def release(store: Store, *, owner: str, died: bool) -> int:
    """Give back the job of a worker that has ended; it goes on from its checkpoint. How many jobs that was.

    Of a job at which `MOST_DEATHS` workers `died` no more is tried.
    """
    return _give_back(store, (JOBS.c.state == "running") & (JOBS.c.owner == owner), died=died)


def _give_back(store: Store, chosen: ColumnElement[bool], *, died: bool) -> int:
    deaths = JOBS.c.deaths + int(died)
    line = f"the process that worked at it died {MOST_DEATHS} times, likely for want of memory. Ask for less at once."
    ended = utc_text(now())
    over, stopped = deaths >= MOST_DEATHS, JOBS.c.stop == 1
    values = {
        "state": case((stopped, "stopped"), (over, "failed"), else_="queued"),
        "error": case((stopped, None), (over, line), else_=None),
        "finished": case((stopped | over, ended), else_=None),
        "deaths": deaths,
        "server": None,
        "owner": None,
    }
    with store.database.changing() as connection:
        return int(connection.execute(update(JOBS).where(chosen).values(**values)).rowcount)


@dataclass
class Vigil:
    """Finds running jobs whose server is gone, by the time that their `beat` has stood still."""

    store: Store
    seen: dict[str, tuple[int, int, float]] = field(default_factory=dict)  # id: attempt, beat, since when

    def give_back(self) -> int:
        """Give back those whose lease has run out; how many."""
        running = select(JOBS.c.id, JOBS.c.attempt, JOBS.c.beat).where(JOBS.c.state == "running")
        with self.store.database.reading() as connection:
            rows = connection.execute(running).all()
        moment, before = time.monotonic(), self.seen
        self.seen, given = {}, 0
        for own, attempt, beats in rows:
            known = before.get(own)
            same = known is not None and known[:2] == (attempt, beats)
            since = known[2] if same and known is not None else moment
            if moment - since > self.store.settings.lease:
                stale = (JOBS.c.id == own) & (JOBS.c.attempt == attempt) & (JOBS.c.beat == beats)
                given += _give_back(self.store, stale & (JOBS.c.state == "running"), died=False)
            else:
                self.seen[own] = (attempt, beats, since)
        return given


def _held(job: Job, owner: str) -> ColumnElement[bool]:
    same = (JOBS.c.id == job.id) & (JOBS.c.attempt == job.attempt)
    return same & (JOBS.c.state == "running") & (JOBS.c.owner == owner)
