"""The watch of a server: each trading day a forecast of each place, through the queue, and what is due settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from gatecast.errors import GatecastError, LedgerError, QueueFull, UnreadableSource
from gatecast.web.requests import JobRequest, Reading, ScoreRequest, plain
from gatecast.web.service import Service
from gatecast.web.store import Source
from gatecast.web.watch import diary
from gatecast.web.watch.alerts import Alert, alerts_since
from gatecast.web.watch.calls import Caller, keep_calls
from gatecast.web.watch.days import due_day
from gatecast.web.watch.diary import Run, Taken
from gatecast.web.watch.places import Place, places
from gatecast.web.watch.settings import WatchSettings
from gatecast.web.worker import log, where

TICK = 5.0  # seconds between two looks at the clock
_LOOK_BACK = timedelta(days=7)  # before the run before: of what was settled since, a call may be missing
_TRIES = 6  # of a ticker that Yahoo does not answer for
_BETWEEN = timedelta(minutes=10)  # two of these tries

LocalClock = Callable[[], datetime]


def local_now() -> datetime:
    """The local time."""
    return datetime.now()


@dataclass
class Watch:
    """`run` looks at the clock until it is cancelled; what fails on one place never keeps the others waiting."""

    service: Service
    settings: WatchSettings
    clock: LocalClock = local_now
    caller: Caller | None = None
    problems: list[str] = field(default_factory=list)  # of folders, when they were last looked at
    _failures: dict[tuple[str, date], tuple[int, datetime]] = field(default_factory=dict)  # tries and the last one

    def __post_init__(self) -> None:
        if self.caller is None and self.settings.webhook is not None:
            self.caller = Caller(self.service.store, self.settings.webhook)

    @property
    def _reading(self) -> Reading:
        return Reading(calendar=self.settings.calendar)

    async def run(self) -> None:
        """Make what is due, again and again; the webhook is called beside it, so that a slow one delays nothing."""
        async with asyncio.TaskGroup() as both:
            both.create_task(_again(self.tick))
            if self.caller is not None:
                both.create_task(_again(self.caller.round))

    async def tick(self) -> None:
        """Queue the runs that are due, settle what came with them, and see which have ended."""
        moment = self.clock()
        watched, self.problems = await asyncio.to_thread(places, self.settings)
        for place, day in await asyncio.to_thread(self._to_make, watched, moment):
            try:
                await self._due(place, day, moment)
            except QueueFull:
                break  # the rest of them wait for their turn
        for made in await asyncio.to_thread(diary.to_settle, self.service.store):
            if self._is_mine(made):
                await self._settle(made)
        for made, state, error in await asyncio.to_thread(diary.just_ended, self.service.store):
            if self._is_mine(made):
                await asyncio.to_thread(self._end, made, error if state == "failed" else None)

    def _to_make(self, watched: list[Place], moment: datetime) -> list[tuple[Place, date]]:
        """The places whose run of the day that is due was not made; one that is new begins with the next day.

        A day before the first run is one of a clock that was set back.
        """
        store = self.service.store
        calendars = {place.calendar for place in watched}
        days = {calendar: due_day(moment, self.settings.at, calendar) for calendar in calendars}
        made = diary.made(store, {place.key: days[place.calendar] for place in watched})
        found = []
        for place in watched:
            day = days[place.calendar]
            if place.key in made:
                continue
            first = diary.first_day(store, place.key)
            if first is None:
                diary.keep(store, place.key, day, "seen")
            elif day.isoformat() > first:
                found.append((place, day))
        return found

    def _is_mine(self, run: Run) -> bool:
        """Whether this server watches the place: another on the same database may watch others, for other ears."""
        kind, _, ticker = run.place.partition(":")
        return ticker in self.settings.tickers if kind == "yahoo" else Path(run.place).parent in self.settings.folders

    async def _due(self, place: Place, day: date, moment: datetime) -> None:
        """Queue the run of a day; raises `QueueFull` where others come first."""
        store = self.service.store
        if self._rests(place, day, moment):
            return
        waiting = (await asyncio.to_thread(store.counts)).get("queued", 0)
        if waiting >= max(self.service.settings.queue_limit // 2, 1):
            raise QueueFull("the other half of the queue is for those who ask.", seconds=int(TICK))
        source: Source | None = None
        kept = False
        try:
            source = await asyncio.to_thread(self._bring, place)
            kept = await self._queue(place, day, source)
        except (QueueFull, LedgerError):
            raise
        except Taken:
            pass  # another server's
        except (GatecastError, OSError) as error:
            if not self._try_later(place, day, moment):
                await asyncio.to_thread(self._fail, place, day, _line(error))
        finally:
            if source is not None and not kept:
                await asyncio.to_thread(store.drop_source, source.id)

    async def _queue(self, place: Place, day: date, source: Source) -> bool:
        """Whether a job was queued for which the source must stay; raises `Taken`, and what a job would say."""
        store, reading = self.service.store, self._reading
        found = await self.service.read(source.id, reading)
        if found["problem"] is not None:
            raise UnreadableSource(found["problem"])
        newest = diary.newest_of(found["items"])
        if newest == await asyncio.to_thread(diary.last_newest, store, place.key):
            await asyncio.to_thread(diary.keep, store, place.key, day, "unchanged", newest=newest)
            return False
        request = JobRequest(source=source.id, reading=reading)
        request.check_size(len(found["items"]))

        def also(connection: Any, job: str) -> None:
            about = {"source": source.id, "job": job, "newest": newest}
            diary.take(connection, place.key, day, "made", ended=0, settled=0, **about)

        await asyncio.to_thread(lambda: store.add_job(request.kind, source.id, plain(request), also=also))
        log("watch_queued")
        return True

    def _bring(self, place: Place) -> Source:
        if place.folder is None:
            return self.service.store.add_place(place.key)
        with place.opened() as stream:
            return self.service.store.add_source(place.name, stream)

    def _rests(self, place: Place, day: date, moment: datetime) -> bool:
        tries, last = self._failures.get((place.key, day), (0, moment))
        return tries > 0 and last <= moment < last + _BETWEEN

    def _try_later(self, place: Place, day: date, moment: datetime) -> bool:
        """Whether a ticker is asked for again: Yahoo, or the network, may be away for a while."""
        if place.folder is not None:
            return False
        tries = self._failures.get((place.key, day), (0, moment))[0] + 1
        self._failures = {(place.key, day): (tries, moment)} | {
            known: tried for known, tried in self._failures.items() if known[1] == day and known[0] != place.key
        }
        return tries < _TRIES

    def _fail(self, place: Place, day: date, line: str) -> None:
        if diary.keep(self.service.store, place.key, day, "failed", error=line):
            log("watch_failed")
            self._tell([Alert(kind="failed", item=place.name, date=day.isoformat(), error=line)])

    async def _settle(self, run: Run) -> None:
        """Hold what is due against the prices of a run, once or more often to the same end, and keep the calls."""
        assert run.source is not None
        try:
            found = await self.service.settle(ScoreRequest(source=run.source, reading=self._reading))
            await asyncio.to_thread(self._settled, run, found["items"])
        except (LedgerError, QueueFull):
            raise  # the next tick tries again
        except GatecastError as error:
            log("watch_not_settled", kind=type(error).__name__)
            await asyncio.to_thread(self._settled, run, [])

    def _settled(self, run: Run, items: list[str]) -> None:
        store = self.service.store
        before = diary.run_before(store, run)
        since = date.fromisoformat(run.day if before is None else before.day) - _LOOK_BACK
        with store.database.reading() as connection:
            alerts = alerts_since(connection, items, since.isoformat()) if self.caller else []
        with store.database.changing() as connection:
            if self.caller:
                keep_calls(connection, alerts)
            diary.mark(connection, run, settled=1)

    def _end(self, run: Run, error: str | None) -> None:
        with self.service.store.database.changing() as connection:
            if error is not None and self.caller:
                name = run.place.rpartition("/")[2]
                keep_calls(connection, [Alert(kind="failed", item=name, date=run.day, error=error)])
            diary.mark(connection, run, ended=1)

    def _tell(self, alerts: list[Alert]) -> None:
        if self.caller:
            with self.service.store.database.changing() as connection:
                keep_calls(connection, alerts)


async def _again(act: Callable[[], Any]) -> None:
    while True:
        try:
            await act()
        except Exception as error:  # a database that is away, a full disk: the next look tries again
            log("watch_error", kind=type(error).__name__, where=where(error))
        await asyncio.sleep(TICK)


def _line(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"the file can't be kept ({error.strerror or 'no reason given'}). Free some space."
    return " ".join(str(error).split())
