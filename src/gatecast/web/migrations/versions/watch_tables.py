"""The tables of the watch: what was run on which day, and the calls to the webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _text(name: str, kind: sa.types.TypeEngine[str], *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, primary_key=key)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "watched",
        _text("place", sa.Text(), key=True),
        _text("day", sa.String(10), key=True),
        _text("state", sa.String(16)),
        _text("began", sa.String(27)),
        sa.Column("source", sa.String(16)),
        sa.Column("job", sa.String(16)),
        sa.Column("newest", sa.Text()),
        sa.Column("error", sa.Text()),
        _whole("settled"),
        _whole("ended"),
    )
    op.create_index("watched_open", "watched", ["state", "ended", "settled"])
    op.create_table(
        "calls",
        _text("id", sa.String(64), key=True),
        _text("kind", sa.String(16)),
        _text("body", sa.Text()),
        _text("state", sa.String(8)),
        _whole("tries"),
        _text("created", sa.String(27)),
    )
    op.create_index("calls_state", "calls", ["state", "created"])
