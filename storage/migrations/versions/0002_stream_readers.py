"""The tables of presence: API processes, and the readers of their event streams."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def upgrade() -> None:
    """Create both tables, empty. Each process reports its readers by itself."""
    op.create_table(
        "stream_processes",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("cursor", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "stream_readers",
        sa.Column("process_id", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user", sa.String(300), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("cursor", sa.String(40)),
        sa.ForeignKeyConstraint(["process_id"], ["stream_processes.id"]),
        sa.PrimaryKeyConstraint("process_id", "number"),
    )


def downgrade() -> None:
    """Drop both tables. No information is lost, because each process reports its readers again."""
    op.drop_table("stream_readers")
    op.drop_table("stream_processes")
