"""The time at which a consultation was reopened, for requests that were sent before it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision: str | None = "0013"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
MOMENT: Any = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def upgrade() -> None:
    """Add the column. No consultation was reopened yet."""
    op.add_column("patient_trackings", sa.Column("changed_at", MOMENT))


def downgrade() -> None:
    """Drop the column. The older program does not know what was taken back, so it counts as released."""
    op.execute("UPDATE patient_trackings SET outcome = 'released' WHERE outcome = 'mistaken'")
    op.drop_column("patient_trackings", "changed_at")
