"""The tables of the service, beside those of the ledger in one database."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Float, Index, MetaData, String, Table, Text

from gatecast.ledger.database import Schema
from gatecast.ledger.tables import WHOLE

SCHEMA = Schema(migrations=Path(__file__).parent / "migrations", revision="0002", version_table="service_version")

METADATA = MetaData()
SOURCES = Table(
    "sources", METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),  # as it is shown
    Column("place", Text, nullable=False),  # the file in the data folder, or sample:NAME, yahoo:TICKER
    Column("size", WHOLE, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created", String(27), nullable=False),
)  # fmt: skip
JOBS = Table(
    "jobs", METADATA,
    Column("seq", WHOLE, primary_key=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("request", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("created", String(27), nullable=False),
    Column("started", String(27)),
    Column("finished", String(27)),
    Column("seconds", Float(53)),  # that the attempt which ended it took
    Column("progress", Text, nullable=False),
    Column("error", Text),
    Column("made", WHOLE, nullable=False),  # 1: the attempt that ended it left a result
    Column("stop", WHOLE, nullable=False),  # 1: a stop was asked for
    Column("attempt", WHOLE, nullable=False),  # how often it was begun; only the last one may end it
    Column("deaths", WHOLE, nullable=False),  # workers that died at it
    Column("server", String(16)),  # whose worker has it
    Column("owner", String(16)),  # the worker that has it
    Column("beat", WHOLE, nullable=False),  # grows while that server lives
    Index("jobs_state", "state", "seq"),
)  # fmt: skip
WATCHED = Table(
    "watched", METADATA,
    Column("place", Text, primary_key=True),  # the path of a file in a watched folder, or yahoo:TICKER
    Column("day", String(10), primary_key=True),  # trading day of the run; once each, whichever server makes it
    Column("state", String(16), nullable=False),  # seen, made, unchanged, failed
    Column("began", String(27), nullable=False),
    Column("source", String(16)),
    Column("job", String(16)),
    Column("newest", Text),  # of each asset the last timestamp, hashed
    Column("error", Text),
    Column("settled", WHOLE, nullable=False),  # 1: held against the ledger, and the calls of that are kept
    Column("ended", WHOLE, nullable=False),  # 1: its job has ended, and the call of that is kept
    Index("watched_open", "state", "ended", "settled"),
)  # fmt: skip
CALLS = Table(
    "calls", METADATA,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, sent, dropped
    Column("tries", WHOLE, nullable=False),
    Column("created", String(27), nullable=False),
    Index("calls_state", "state", "created"),
)  # fmt: skip
