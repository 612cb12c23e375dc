"""The first tables: the chain, its head, and what is derived from them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BANDS = ("held_50", "held_80", "held_90", "held_95")
_SUMS = (
    *("n", "late"),
    *_BANDS,
    *(f"tenth_{tenth}" for tenth in range(10)),
    "crps",
    *(f"{what}_{rival}" for rival in ("random_walk", "har", "garch") for what in ("n", "mine", "crps")),
)


def _whole() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _counts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, _whole(), nullable=False) for name in names]


def _text(name: str, kind: sa.types.TypeEngine[str], *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, primary_key=key)


def _key(name: str, *refers: sa.ForeignKey) -> sa.Column[int]:
    return sa.Column(name, _whole(), *refers, primary_key=True, autoincrement=False)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "entries",
        _key("seq"),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        _text("kind", sa.String(8)),
        _text("subject", sa.String(64)),
        _text("previous", sa.String(64)),
        _text("hash", sa.String(64)),
        _text("content", sa.Text()),
    )
    op.create_index("ix_entries_kind", "entries", ["kind"])
    op.create_index("ix_entries_subject", "entries", ["subject"])
    head = op.create_table("head", _key("id"), *_counts("seq"), _text("hash", sa.String(64)))
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    _derived()


def _derived() -> None:
    op.create_table(
        "waiting",
        _key("seq", sa.ForeignKey("entries.seq")),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        _text("item", sa.Text()),
        _text("model", sa.Text()),
        _text("issued", sa.String(27)),
        *_counts("day", "horizon", "settled"),
    )
    op.create_index("waiting_item", "waiting", ["item"])
    op.create_table(
        "scores",
        _key("seq", sa.ForeignKey("entries.seq")),
        _key("step"),
        _text("item", sa.Text()),
        _text("model", sa.Text()),
        _text("timestamp", sa.String(29)),
        *_counts("day", "end", "late", "void", *_BANDS, "tenth", "crps"),
        *(sa.Column(f"crps_{rival}", _whole()) for rival in ("random_walk", "har", "garch")),
        sa.Column("log_return", sa.Float(53), nullable=False),
        sa.Column("miss", sa.Float(53), nullable=False),
    )
    op.create_index("scores_item", "scores", ["item", "model"])
    op.create_index("scores_miss", "scores", ["model", "void", "miss"])
    op.create_index("scores_day", "scores", ["model", "step", "day"])
    for name, second in (("daily", _key("day")), ("by_item", _text("item", sa.Text(), key=True))):
        op.create_table(name, _text("model", sa.Text(), key=True), _key("step"), second, *_counts("end", *_SUMS))
