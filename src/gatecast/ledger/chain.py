"""The chain: rows appended one after another, each with the hash of the one before; and the walk that checks it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from gatecast.errors import LedgerError
from gatecast.ledger.derive import Row, apply
from gatecast.ledger.records import START, Value, canonical, chained, id_of, subject_of
from gatecast.ledger.tables import DERIVED, ENTRIES, HEAD

AT_ONCE = 1000  # rows in memory


@dataclass(frozen=True)
class Head:
    """The number and hash of the last row; 0 and `START` where there is none."""

    seq: int
    hash: str


def head_of(connection: Connection) -> Head:
    """The head as it is kept; raises `LedgerError` where it is missing."""
    found = connection.execute(select(HEAD.c.seq, HEAD.c.hash).where(HEAD.c.id == 1)).all()
    if len(found) != 1:
        raise LedgerError("a ledger has one head of its chain; this one has another number. Restore a copy of it.")
    return Head(found[0].seq, found[0].hash)


def append(connection: Connection, values: Iterable[Value]) -> list[Row]:
    """Add rows at the end of the chain, those that it has already left out; the rows added, with their numbers.

    In a transaction of `Database.writing`, which holds the head.
    """
    return append_texts(connection, [canonical(value.content()) for value in values])


def append_texts(connection: Connection, texts: Iterable[str]) -> list[Row]:
    """`append` of canonical texts."""
    own = {id_of(text): text for text in texts}
    known = known_ids(connection, list(own))
    head, entries = head_of(connection), []
    for text in (text for name, text in own.items() if name not in known):
        entries.append(entry(head, text))
        head = Head(entries[-1]["seq"], entries[-1]["hash"])
    return add_entries(connection, entries)


def entry(before: Head, text: str) -> dict[str, Any]:
    """The columns of the row that follows `before`, from its canonical text."""
    content, own, seq = json.loads(text), id_of(text), before.seq + 1
    return {
        "seq": seq, "id": own, "kind": content["kind"], "subject": subject_of(content, own), "previous": before.hash,
        "hash": chained(seq, before.hash, text), "content": text,
    }  # fmt: skip


def add_entries(connection: Connection, entries: Sequence[dict[str, Any]]) -> list[Row]:
    """Add what `entry` made, which follows the head, and what is derived from it."""
    if not entries:
        return []
    connection.execute(insert(ENTRIES), list(entries))
    connection.execute(update(HEAD).where(HEAD.c.id == 1).values(seq=entries[-1]["seq"], hash=entries[-1]["hash"]))
    rows = [Row(each["seq"], each["id"], json.loads(each["content"])) for each in entries]
    apply(connection, DERIVED, rows)
    return rows


def known_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that rows of the chain have."""
    found: set[str] = set()
    for first in range(0, len(ids), AT_ONCE // 2):
        asked = select(ENTRIES.c.id).where(ENTRIES.c.id.in_(ids[first : first + AT_ONCE // 2]))
        found |= set(connection.execute(asked).scalars())
    return found


def walk(connection: Connection) -> Iterator[Row]:
    """The rows of the chain in their order, each checked against the one before.

    Raises `LedgerError` that names the first row that was changed, is missing or out of order.
    """
    head = Head(0, START)
    asked = select(ENTRIES).order_by(ENTRIES.c.seq).execution_options(yield_per=AT_ONCE)
    with connection.execute(asked) as found:  # closed where a reader stops early
        for row in found:
            if row.seq != head.seq + 1:
                raise LedgerError(f"the ledger is broken: row {head.seq + 1} is missing. Restore a copy of it.")
            content = _checked(connection, row, head)
            head = Head(row.seq, row.hash)
            yield Row(row.seq, row.id, content)
    kept = head_of(connection)
    if kept.seq > head.seq:
        raise LedgerError(f"the ledger is broken: row {head.seq + 1} is missing. Restore a copy of it.")
    if kept != head:
        raise LedgerError(f"the ledger is broken: its head is not its last row, {head.seq}. Restore a copy of it.")


def _checked(connection: Connection, row: Any, head: Head) -> dict[str, Any]:
    """The content of a row; refuses one that is not what its hash was made of."""
    try:
        content = json.loads(row.content)
        about = f"{content['kind']} of {content.get('item') or content['forecast'][:12]}"
        columns = {"id": id_of(row.content), "kind": content["kind"], "subject": subject_of(content, row.id)}
    except (ValueError, TypeError, KeyError, AttributeError):
        content, about, columns = {}, "unreadable", {"id": ""}
    own = chained(row.seq, row.previous, row.content) == row.hash
    if row.previous == head.hash and own:
        wrong = next((name for name, value in columns.items() if getattr(row, name) != value), None)
        if wrong is None:
            return dict(content)
        raise LedgerError(f"the ledger is broken: row {row.seq} ({about}) was changed in '{wrong}'. Restore a copy.")
    place = connection.execute(select(func.min(ENTRIES.c.seq)).where(ENTRIES.c.hash == row.previous)).scalar()
    what = f"row {row.seq} ({about}) was changed"
    if row.previous != head.hash and place not in (None, row.seq, row.seq - 1):
        what = f"row {row.seq} ({about}) is out of order, it belongs after row {place}"
    elif own:
        what = f"row {row.seq} ({about}) does not follow row {head.seq}: one of them was changed"
    raise LedgerError(f"the ledger is broken: {what}. Restore a copy of it.")
