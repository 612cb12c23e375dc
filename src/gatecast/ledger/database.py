"""Where the ledger is kept: a SQLite file or a PostgreSQL database, opened at the schema that this gatecast knows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from gatecast.errors import LedgerError, UsageError
from gatecast.ledger.tables import HEAD, REVISION
from gatecast.text import clean, shown

if TYPE_CHECKING:
    from alembic.config import Config

WAIT = 30.0  # seconds for another writer to end
_LOCK = 0x6761746563617374  # of the migrations on PostgreSQL, among its advisory locks: "gatecast"
_WRITES = "gatecast_writes"


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Tables of one database that are brought to a revision together: those of the ledger, those of the service."""

    migrations: Path  # folder
    revision: str  # that this gatecast knows
    version_table: str = "alembic_version"  # which holds the revision of the tables


_LEDGER = Schema(migrations=Path(__file__).parent / "migrations", revision=REVISION)


def default_file() -> Path:
    """The ledger of the user, in the data folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gatecast" / "ledger.db"


class Database:
    """An open ledger; `reading` and `writing` give a connection in a transaction.

    Raises `LedgerError` with one line for whatever the database refuses.
    """

    def __init__(self, url: str | None = None, *, create: bool = False) -> None:
        """Open the ledger at a database URL or the path of a SQLite file; the user's own unless given.

        Makes it where there is none and `create`, and brings it to the newest schema. Raises `UsageError` for what
        names no database, `LedgerError` where it is absent, newer than this gatecast, or cannot be opened.
        """
        self.url = _url(url)
        self.name = self.url.render_as_string(hide_password=True)
        file = self.url.database if self.sqlite else None
        if file:
            self.name = file
            if not create and not Path(file).is_file():
                raise LedgerError(f"a ledger is made by recording a forecast; there is none at '{file}'. Record one.")
        with self._errors():
            if file:
                Path(file).parent.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(self.url)
        try:
            self.upgrade(_LEDGER)
        except LedgerError:
            self.close()
            raise

    @property
    def sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database; nothing that is done on it stays."""
        level: dict[str, Any] = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(**level)
            with connection.begin() as transaction:
                yield connection
                transaction.rollback()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that holds the head of the chain: nobody else writes until it ends; all is kept, or nothing."""
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                connection.execute(select(HEAD.c.seq).where(HEAD.c.id == 1).with_for_update())
                yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A connection in a transaction that writes, but not to the chain, whose head it leaves to others."""
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """One line for whatever the database or the disk refuses."""
        try:
            yield
        except DBAPIError as error:
            raise LedgerError(self._line(clean(str(error.orig).partition("\n")[0], 160))) from None
        except ModuleNotFoundError as error:
            raise UsageError(f"PostgreSQL needs the package {error.name}: pip install 'gatecast[postgres]'.") from None
        except (SQLAlchemyError, OSError) as error:
            raise LedgerError(self._line(clean(error, 160))) from None

    def _line(self, reason: str) -> str:
        remedy = "Check it and the disk, and verify the ledger"
        if "locked" in reason:
            remedy = f"Another process has been writing for {WAIT:.0f} seconds; try again when it has ended"
        elif "full" in reason or "No space" in reason:
            remedy = "Nothing of this was kept; free some space and do it again"
        return f"the ledger '{self.name}' cannot be used: {reason.rstrip('.')}. {remedy}."

    def upgrade(self, schema: Schema) -> None:
        """Bring the tables of a schema to its revision; raises `LedgerError` where they are newer."""
        with self._errors():
            with self._engine.connect() as connection, connection.begin():
                if _revision(connection, schema) == schema.revision:
                    return
            with self.changing() as connection:
                if not self.sqlite:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                if (found := _revision(connection, schema)) != schema.revision:
                    _upgrade(connection, schema, found, self.name)


def _url(given: str | None) -> URL:
    if given is None:
        return URL.create("sqlite", database=str(default_file()))
    if not given or "://" not in given:
        if not given:
            raise UsageError("a database is a URL or a file; its name is empty. Give for example ledger.db.")
        return URL.create("sqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        url = URL.create("unknown")
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg") or (url.drivername == "sqlite" and not url.database):
        kind = shown(given.partition("://")[0])  # no password in a message
        raise UsageError(
            f"a database is sqlite:///FILE or postgresql://USER@HOST/NAME; got one of {kind}. Give one of these."
        )
    return url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": WAIT})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions at moments of its own
        _execute_patiently(connection, "PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a commit outlasts a power cut
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begins(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _execute_patiently(connection: Any, statement: str) -> None:
    """SQLite does not wait for a lock to change its journal; two processes may make one ledger at once."""
    import sqlite3

    until = time.monotonic() + WAIT
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _revision(connection: Connection, schema: Schema) -> str | None:
    """That of the tables; None where there are none."""
    if not inspect(connection).has_table(schema.version_table):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {schema.version_table}")).scalars().all()
    return found[0] if len(found) == 1 else f"{len(found)} revisions"


def _upgrade(connection: Connection, schema: Schema, found: str | None, name: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config(connection, schema)
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if found is not None and found not in known:
        raise LedgerError(
            f"a ledger has a schema that this gatecast knows, up to {schema.revision}; '{name}' has {shown(found)}. "
            "Use the newer gatecast that made it."
        )
    command.upgrade(config, "head")


def _config(connection: Connection, schema: Schema) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.migrations).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=schema.version_table)
    return config
