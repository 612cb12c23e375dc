"""A ledger as a file of JSON Lines, with its chain; and such a file taken into a ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gatecast.errors import LedgerError
from gatecast.ledger.chain import AT_ONCE, Head, add_entries, append_texts, entry, head_of, known_ids, walk
from gatecast.ledger.database import Database
from gatecast.ledger.records import START, canonical, chained, value_of
from gatecast.text import clean


def export_lines(database: Database) -> Iterator[str]:
    """A line a row, in the order of the chain: `{"seq", "previous", "hash", "content"}`, the content canonical.

    Raises `LedgerError` at a row where the chain is broken.
    """
    with database.reading() as connection:
        before = START
        for row in walk(connection):
            text = canonical(row.content)
            own = chained(row.seq, before, text)
            yield f'{{"seq":{row.seq},"previous":"{before}","hash":"{own}","content":{text}}}'
            before = own


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did: rows of the file, those that were new, and whether its own chain goes on in the ledger.

    `chained_anew`: the ledger had other rows, so that the new ones follow these under new hashes.
    """

    rows: int
    new: int
    chained_anew: bool


def import_lines(database: Database, lines: Iterable[str], name: str) -> Imported:
    """Take in what `export_lines` gave, all of it or nothing; rows that are there already are not doubled.

    Raises `LedgerError` that names the first line that breaks the file's own chain, or is no row.
    """
    rows = new = 0
    anew = False
    with database.writing() as connection:
        there = head_of(connection).seq > 0
        checked = _checked(lines, name)
        while batch := list(islice(checked, AT_ONCE // 2)):
            rows += len(batch)
            known = known_ids(connection, [each["id"] for each in batch])
            fresh = [each for each in batch if each["id"] not in known]
            if not anew and _follow(fresh, head_of(connection)):
                new += len(add_entries(connection, fresh))
            elif fresh:
                anew = there
                new += len(append_texts(connection, [each["content"] for each in fresh]))
    return Imported(rows=rows, new=new, chained_anew=anew)


def _follow(entries: list[dict[str, Any]], head: Head) -> bool:
    """Whether these are the rows that come next, none between them left out."""
    whole = bool(entries) and entries[-1]["seq"] - entries[0]["seq"] == len(entries) - 1
    return whole and entries[0]["previous"] == head.hash


def _checked(lines: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    """The columns of each line's row; raises where it is no row, or the chain of the file is broken."""
    head = Head(0, START)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"line {number} of '{clean(name, 80)}'"
        try:
            row = json.loads(line, parse_constant=_no_number)
            content, given = row["content"], {key: row[key] for key in ("seq", "previous", "hash")}
            text = canonical(content)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise LedgerError(
                f"an exported ledger is JSON Lines with seq, previous, hash and content; {where} is not. "
                "Export it again."
            ) from None
        value_of(content, where)
        made = entry(head, text)
        if given != {key: made[key] for key in given}:
            raise LedgerError(
                f"the chain of the file is broken at {where}: row {head.seq + 1} was changed, is missing or out of "
                "order. Nothing was imported; export it again."
            )
        head = Head(made["seq"], made["hash"])
        yield made


def _no_number(name: str) -> float:
    raise ValueError(name)
