"""Several refusals in one entry of the timeline: how many, when the last one was, and which consultation caused them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision: str | None = "0012"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def upgrade() -> None:
    """Add the columns. In the rows that are there, they are NULL, which means one refusal."""
    op.add_column("timeline", sa.Column("refusals", sa.Integer()))
    op.add_column("timeline", sa.Column("last_at", MOMENT))
    op.add_column("timeline", sa.Column("holder_id", sa.String(36)))


def downgrade() -> None:
    """Drop the columns. An entry with several refusals becomes an entry with one."""
    for name in ("holder_id", "last_at", "refusals"):
        op.drop_column("timeline", name)
