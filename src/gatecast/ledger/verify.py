"""Is the ledger what was recorded: the chain is walked, and what is derived from it is made anew and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table, select, text

from gatecast.errors import LedgerError
from gatecast.ledger.chain import Head, head_of, walk
from gatecast.ledger.database import Database
from gatecast.ledger.derive import Row, rebuild
from gatecast.ledger.records import START
from gatecast.ledger.tables import DERIVED, ENTRIES, EXPECTED, EXPECTED_METADATA
from gatecast.text import clean


@dataclass(frozen=True, kw_only=True)
class Verified:
    """An unbroken ledger: how many rows of each kind, and the latest hash, which stands for all of them."""

    rows: int
    forecasts: int
    outcomes: int
    voids: int
    head: str


def verify(database: Database, *, expect: str | None = None) -> Verified:
    """Walk the chain, and hold every derived table against it.

    `expect`: a hash printed or published earlier; the chain must have passed through it. That finds what no ledger can
    tell by itself: that its end was cut off, or that all of it was written anew.

    Raises `LedgerError` that names the first row that was changed, is missing or out of order.
    """
    with database.reading() as connection:
        if database.sqlite:
            _check_file(connection)
        counted: Counter[str] = Counter()
        EXPECTED_METADATA.create_all(connection)  # temporary, and gone when the transaction is rolled back
        rebuild(connection, EXPECTED, _counting(walk(connection), counted))
        for ours, expected in zip(DERIVED.all(), EXPECTED.all(), strict=True):
            _compare(connection, ours, expected)
        head = head_of(connection)
        if expect is not None and not _passed(connection, expect, head):
            raise LedgerError(
                f"the chain must have passed through {clean(expect, 64)}; it did not. Rows were cut off or written "
                "anew since that hash was printed, or it is of another ledger: restore a copy."
            )
    return Verified(
        rows=head.seq, forecasts=counted["forecast"], outcomes=counted["outcome"], voids=counted["void"], head=head.hash
    )


def rebuild_derived(database: Database) -> None:
    """Make every derived table anew from the chain; raises `LedgerError` where the chain itself is broken."""
    with database.writing() as connection:
        rebuild(connection, DERIVED, walk(connection))


def _counting(rows: Iterable[Row], counted: Counter[str]) -> Iterator[Row]:
    for row in rows:
        counted[row.content["kind"]] += 1
        yield row


def _check_file(connection: Connection) -> None:
    """Refuse a file whose own structure is damaged."""
    found = connection.execute(text("PRAGMA integrity_check(1)")).scalar()
    if found != "ok":
        raise LedgerError(f"the ledger is broken: its file is damaged ({clean(found, 120)}). Restore a copy of it.")


def _compare(connection: Connection, ours: Table, expected: Table) -> None:
    """Refuse a row that the chain does not give, and one that is missing."""
    names = list(ours.c.keys())
    for one_side, other, what in ((ours, expected, "does not follow from the chain"), (expected, ours, "is missing")):
        asked = select(*(one_side.c[name] for name in names)).except_(select(*(other.c[name] for name in names)))
        row = connection.execute(asked.limit(1)).mappings().first()
        if row is not None:
            key = ", ".join(f"{column.name} {clean(row[column.name], 60)}" for column in ours.primary_key)
            raise LedgerError(
                f"the summary of the ledger is broken: in '{ours.name}' the row of {key} {what}. The records are "
                "whole: make the summary anew with `gatecast ledger verify --rebuild`."
            )


def _passed(connection: Connection, expect: str, head: Head) -> bool:
    if expect in (START, head.hash):
        return True
    return connection.execute(select(ENTRIES.c.seq).where(ENTRIES.c.hash == expect)).first() is not None
