"""The id of the HTTP request (`X-Request-ID`) next to the answer of a command, to find the command in the logs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column. It is empty for requests of earlier versions."""
    op.add_column("requests", sa.Column("http_request_id", sa.String(128)))


def downgrade() -> None:
    """Drop the column. An older version does not know these ids."""
    op.drop_column("requests", "http_request_id")
