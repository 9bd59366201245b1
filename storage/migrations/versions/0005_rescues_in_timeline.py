"""An index of the rescues in the timeline, so that `/metrics` can count them without a scan."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the index."""
    is_rescue = sa.text("event = 'rescued'")
    op.create_index("rescues_in_timeline", "timeline", ["id"], sqlite_where=is_rescue, postgresql_where=is_rescue)


def downgrade() -> None:
    """Drop the index. Nothing of the older schema is lost."""
    op.drop_index("rescues_in_timeline", "timeline")
