"""What the service keeps: sources that were brought and jobs that were asked for, in the database of the ledger.

A source's bytes lie in `DATA/sources/ID/`, what a job made in `DATA/results/ID/ATTEMPT/`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.sql import Select

from gatecast.errors import NotFound, QueueFull, TooLarge
from gatecast.ledger.database import Database
from gatecast.ledger.recording import now
from gatecast.ledger.records import utc_text
from gatecast.text import clean, counted, shown
from gatecast.web.settings import ServeSettings
from gatecast.web.tables import JOBS, SCHEMA, SOURCES

State = Literal["queued", "running", "done", "failed", "stopped"]
ENDED = ("done", "failed", "stopped")
_ID = re.compile(r"[0-9a-f]{16}")
_UNSAFE = re.compile(r"[^\w .,()+&=^-]")  # in the name of a file
_CHUNK = 1 << 20  # bytes
_ADDING = 0x676174657175657565  # of the queue's bound on PostgreSQL, among its advisory locks
_RECENT = 20  # jobs by which the time of the next ones is guessed
_GUESS = 30.0  # seconds of a job, where none has ended


AlsoDone = Callable[[Connection, str], None]  # with the id of a job, in the transaction that queues it


@runtime_checkable
class Stream(Protocol):
    """Bytes that come in parts, such as those of an open file."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source that was brought: `name` as it is shown (escape it), `place` as `read_source` takes it."""

    id: str
    name: str
    place: str
    size: int  # bytes; 0 of a sample or a ticker
    sha256: str  # of the bytes; empty of a sample or a ticker
    created: str  # UTC


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work that was asked for. `folder` holds what it made once its state is done (or stopped, with the best so far).

    `progress` has `phase` (text), `fraction` (0..1 or null), `seconds_left` (or null), `text`, and `losses`: a row
    [epoch, training loss, held-out loss or null] each epoch.
    """

    seq: int
    id: str
    kind: str
    source_id: str
    request: Mapping[str, Any]
    state: State
    created: str  # UTC, as the next two
    started: str | None
    finished: str | None
    progress: Mapping[str, Any]
    error: str | None  # one line, of a job that failed
    attempt: int
    stopping: bool  # a stop was asked for
    has_result: bool  # whether it made a forecast that can be looked at
    folder: Path


class Store:
    """The sources and jobs of a service."""

    def __init__(self, settings: ServeSettings) -> None:
        """Open the database, bring its tables to the newest schema, and make the data folder.

        Raises `LedgerError` where the database is newer than this gatecast or cannot be used.
        """
        self.settings = settings
        self.database = Database(settings.database, create=True)
        try:
            self.database.upgrade(SCHEMA)
        except BaseException:
            self.database.close()
            raise
        for folder in (self.sources_folder, self.results_folder):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def sources_folder(self) -> Path:
        """A folder a source."""
        return self.settings.data / "sources"

    @property
    def results_folder(self) -> Path:
        """A folder a job."""
        return self.settings.data / "results"

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def add_source(self, name: str, stream: Stream) -> Source:
        """Keep the bytes of a stream under a name; raises `TooLarge` beyond the bound, and keeps nothing then.

        The name becomes that of a file, since an asset without a column for it is named after its file: what could
        leave the folder, hide or be taken for markup is replaced.
        """
        own = secrets.token_hex(8)
        folder = self.sources_folder / own
        folder.mkdir()
        try:
            path = folder / file_name(name)
            size, digest = self._copy(stream, path)
            source = Source(
                id=own, name=clean(name, 120) or path.name, place=str(path), size=size, sha256=digest,
                created=utc_text(now()),
            )  # fmt: skip
            self._keep(source)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return source

    def drop_source(self, own: str) -> None:
        """Forget a source that no job was asked for; one that a job needs stays."""
        source = self.source(own)
        unused = ~select(JOBS.c.id).where(JOBS.c.source == own).exists()
        with self.database.changing() as connection:
            dropped = connection.execute(delete(SOURCES).where(SOURCES.c.id == own, unused)).rowcount
        if dropped:
            shutil.rmtree(self.sources_folder / source.id, ignore_errors=True)

    def add_place(self, place: str) -> Source:
        """A source that needs no upload: sample:NAME or yahoo:TICKER."""
        source = Source(
            id=secrets.token_hex(8), name=clean(place, 120), place=place, size=0, sha256="", created=utc_text(now())
        )
        self._keep(source)
        return source

    def source(self, own: str) -> Source:
        """Raises `NotFound`."""
        row = self._row(select(SOURCES).where(SOURCES.c.id == own), own)
        if row is None:
            raise NotFound(f"there is no source {shown(own)}. Bring it again.")
        return Source(**row)

    def add_job(self, kind: str, source_id: str, request: Mapping[str, Any], *, also: AlsoDone | None = None) -> Job:
        """Queue a job; raises `QueueFull` where as many wait as may, `NotFound` where there is no such source.

        `also` is done with the id of the job in the same transaction: both are kept, or neither where it raises.
        """
        self.source(source_id)
        own = secrets.token_hex(8)
        with self.database.changing() as connection:
            if not self.database.sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADDING % 2**63})"))
            waiting = self._count(connection, "queued")
            if waiting >= self.settings.queue_limit:
                seconds = self._seconds_until_room(connection)
                raise QueueFull(
                    f"{counted(waiting, 'job')} wait already, as many as may. Come back in {seconds} seconds.",
                    seconds=seconds,
                )
            connection.execute(
                insert(JOBS).values(
                    id=own, kind=kind, source=source_id, request=_text(request), state="queued",
                    created=utc_text(now()), progress=_text({"phase": "waiting"}),
                    made=0, stop=0, attempt=0, deaths=0, beat=0,
                )
            )  # fmt: skip
            if also is not None:
                also(connection, own)
        return self.job(own)

    def job(self, own: str) -> Job:
        """Raises `NotFound`."""
        row = self._row(select(JOBS).where(JOBS.c.id == own), own)
        if row is None:
            raise NotFound(f"there is no job {shown(own)}. See GET /jobs.")
        return self._job(row)

    def jobs(self, *, limit: int = 50, before: int | None = None) -> list[Job]:
        """The latest jobs first; those with a `seq` under `before`."""
        asked = select(JOBS).order_by(JOBS.c.seq.desc()).limit(limit)
        if before is not None:
            asked = asked.where(JOBS.c.seq < before)
        with self.database.reading() as connection:
            return [self._job(dict(row._mapping)) for row in connection.execute(asked)]

    def cancel(self, own: str) -> Job:
        """Stop a job: one that waits at once, one that runs as soon as it can, with the best so far where it has any.

        A job that has ended stays as it is.
        """
        mine = JOBS.c.id == own
        with self.database.changing() as connection:
            ended = {"state": "stopped", "finished": utc_text(now()), "stop": 1}
            connection.execute(update(JOBS).where(mine, JOBS.c.state == "queued").values(**ended))
            connection.execute(update(JOBS).where(mine, JOBS.c.state == "running").values(stop=1))
        return self.job(own)

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each state."""
        with self.database.reading() as connection:
            rows = connection.execute(select(JOBS.c.state, func.count()).group_by(JOBS.c.state))
            return {str(row[0]): int(row[1]) for row in rows}

    def _count(self, connection: Connection, state: State) -> int:
        asked = select(func.count()).select_from(JOBS).where(JOBS.c.state == state)
        return int(connection.execute(asked).scalar_one())

    def _seconds_until_room(self, connection: Connection) -> int:
        """When a job is likely to have left the queue, by how long the last ones took."""
        ended = select(JOBS.c.seconds).where(JOBS.c.seconds.is_not(None)).order_by(JOBS.c.seq.desc()).limit(_RECENT)
        took = [float(seconds) for seconds in connection.execute(ended).scalars()]
        each = sum(took) / len(took) if took else _GUESS
        return max(1, round(each / max(self.settings.workers, 1)))

    def _keep(self, source: Source) -> None:
        with self.database.changing() as connection:
            connection.execute(insert(SOURCES).values(**source.__dict__))

    def _row(self, asked: Select[Any], own: str) -> dict[str, Any] | None:
        if not _ID.fullmatch(own):
            return None
        with self.database.reading() as connection:
            row = connection.execute(asked).first()
        return None if row is None else dict(row._mapping)

    def _job(self, row: dict[str, Any]) -> Job:
        return Job(
            **{name: row[name] for name in ("seq", "id", "kind", "state", "created", "started", "finished")},
            source_id=row["source"],
            request=json.loads(row["request"]),
            progress=json.loads(row["progress"]),
            error=row["error"],
            attempt=row["attempt"],
            stopping=bool(row["stop"]),
            has_result=bool(row["made"]),
            folder=self.results_folder / row["id"] / str(row["attempt"]),
        )

    def _copy(self, stream: Stream, path: Path) -> tuple[int, str]:
        """The bytes as a file, with their number and hash."""
        size, digest, most = 0, hashlib.sha256(), self.settings.upload_limit
        with path.open("xb") as file:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise TooLarge(f"a source has at most {most:,} bytes here; this one has more. Send a smaller file.")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return size, digest.hexdigest()


def file_name(name: str) -> str:
    """A safe name of a file in a folder of its own, near to what a user called it.

    >>> file_name("../../etc/passwd"), file_name("C:\\\\my prices.csv"), file_name("<b>.csv"), file_name("..")
    ('passwd', 'my prices.csv', '_b_.csv', 'prices')
    """
    last = re.split(r"[/\\]", clean(name, 400))[-1]
    kept = _UNSAFE.sub("_", last).strip(" .")
    if len(kept.encode()) > 120:  # file systems take 255 bytes
        stem, dot, ending = kept.rpartition(".")
        keep = (stem if dot else kept).encode()[:100].decode(errors="ignore")
        kept = f"{keep}.{ending[:10]}" if dot else keep
    return kept or "prices"


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), allow_nan=False)
