"""The first tables: sources and jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _whole() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, kind: sa.types.TypeEngine[str], *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, primary_key=key)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "sources",
        _text("id", sa.String(16), key=True),
        _text("name", sa.Text()),
        _text("place", sa.Text()),
        sa.Column("size", _whole(), nullable=False),
        _text("sha256", sa.String(64)),
        _text("created", sa.String(27)),
    )
    op.create_table(
        "jobs",
        sa.Column("seq", _whole(), primary_key=True),
        sa.Column("id", sa.String(16), nullable=False, unique=True),
        _text("kind", sa.String(16)),
        _text("source", sa.String(16)),
        _text("request", sa.Text()),
        _text("state", sa.String(8)),
        _text("created", sa.String(27)),
        sa.Column("started", sa.String(27)),
        sa.Column("finished", sa.String(27)),
        sa.Column("seconds", sa.Float(53)),
        _text("progress", sa.Text()),
        sa.Column("error", sa.Text()),
        *(sa.Column(name, _whole(), nullable=False) for name in ("made", "stop", "attempt", "deaths")),
        sa.Column("server", sa.String(16)),
        sa.Column("owner", sa.String(16)),
        sa.Column("beat", _whole(), nullable=False),
    )
    op.create_index("jobs_state", "jobs", ["state", "seq"])
