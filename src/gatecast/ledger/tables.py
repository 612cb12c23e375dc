"""The tables: the chain of rows and its head; and what is derived from them, so that a summary reads few rows.

Only `entries` and `head` hold what was recorded. Every other table follows from the chain; `verify` makes it anew and
compares. Scores are whole numbers there, of the unit `UNIT`, so that their sums are exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.sql.schema import SchemaItem

from gatecast.ledger.records import BAND_LEVELS, RIVALS, TENTHS

REVISION = "0001"  # of the schema that this gatecast reads and writes
UNIT = 1e-12  # of a CRPS in the derived tables; log return
WHOLE = BigInteger().with_variant(Integer, "sqlite")  # 64 bits in both

METADATA = MetaData()
ENTRIES = Table(
    "entries", METADATA,
    Column("seq", WHOLE, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(8), nullable=False, index=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("content", Text, nullable=False),
)  # fmt: skip
HEAD = Table(
    "head", METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("seq", WHOLE, nullable=False),
    Column("hash", String(64), nullable=False),
)  # fmt: skip


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, WHOLE, nullable=False) for name in names]


HELD = tuple(f"held_{level}" for level in BAND_LEVELS)
IN_TENTH = tuple(f"tenth_{tenth}" for tenth in range(TENTHS))
# Of each rival: rows on which it has a score, the forecast's CRPS on them, and its own.
AGAINST = tuple(f"{what}_{rival}" for rival in RIVALS for what in ("n", "mine", "crps"))
SUMS = ("n", "late", *HELD, *IN_TENTH, "crps", *AGAINST)


@dataclass(frozen=True, kw_only=True)
class Derived:
    """The derived tables.

    `waiting`: a row a forecast that has steps to come and is not void. `scores`: a row a settled step. `daily`: sums
    by model, step and day of the cutoff, days since 1970; `end` is the last day forecast. `by_item`: sums by model,
    item and step.
    """

    waiting: Table
    scores: Table
    daily: Table
    by_item: Table

    def all(self) -> tuple[Table, ...]:
        """The tables, those that others refer to last."""
        return (self.scores, self.daily, self.by_item, self.waiting)


def _derived(metadata: MetaData, before: str, *, temporary: bool) -> Derived:
    prefixes = ["TEMPORARY"] if temporary else []

    def seq() -> Column[int]:
        refers: Iterable[SchemaItem] = [] if temporary else [ForeignKey(ENTRIES.c.seq)]
        return Column("seq", WHOLE, *refers, primary_key=True, autoincrement=False)

    def index(name: str, *columns: str) -> list[Index]:
        return [Index(f"{before}{name}", *columns)]

    return Derived(
        waiting=Table(
            f"{before}waiting", metadata, seq(),
            Column("id", String(64), nullable=False, unique=True),
            Column("item", Text, nullable=False), Column("model", Text, nullable=False),
            Column("issued", String(27), nullable=False),
            *_counts("day", "horizon", "settled"),
            *index("waiting_item", "item"), prefixes=prefixes,
        ),
        scores=Table(
            f"{before}scores", metadata, seq(),
            Column("step", WHOLE, primary_key=True, autoincrement=False),
            Column("item", Text, nullable=False), Column("model", Text, nullable=False),
            Column("timestamp", String(29), nullable=False),
            *_counts("day", "end", "late", "void", *HELD, "tenth", "crps"),
            *(Column(f"crps_{rival}", WHOLE) for rival in RIVALS),
            Column("log_return", Float(53), nullable=False),
            Column("miss", Float(53), nullable=False),
            *index("scores_item", "item", "model"), *index("scores_miss", "model", "void", "miss"),
            *index("scores_day", "model", "step", "day"), prefixes=prefixes,
        ),
        daily=Table(
            f"{before}daily", metadata,
            Column("model", Text, primary_key=True),
            Column("step", WHOLE, primary_key=True, autoincrement=False),
            Column("day", WHOLE, primary_key=True, autoincrement=False),
            *_counts("end", *SUMS), prefixes=prefixes,
        ),
        by_item=Table(
            f"{before}by_item", metadata,
            Column("model", Text, primary_key=True), Column("item", Text, primary_key=True),
            Column("step", WHOLE, primary_key=True, autoincrement=False),
            *_counts("end", *SUMS), prefixes=prefixes,
        ),
    )  # fmt: skip


DERIVED = _derived(METADATA, "", temporary=False)
EXPECTED_METADATA = MetaData()
EXPECTED = _derived(EXPECTED_METADATA, "expected_", temporary=True)  # for `verify`, in its own connection alone
