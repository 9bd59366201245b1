"""Events without a patient, such as the new name of a doctor.

SQLite cannot change a column. There, the table of events is built again with its rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
COLUMNS = "seq, dedup_key, at, channel, name, data, patient_id, consultation_id"


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    if is_sqlite():
        _rebuild_events(nullable=True)
    else:
        op.alter_column("events", "patient_id", nullable=True)
    op.execute("UPDATE events SET patient_id = NULL WHERE patient_id = 0")


def downgrade() -> None:
    """Give these events the patient 0, who does not exist. Without their rows the log would have gaps."""
    op.execute("UPDATE events SET patient_id = 0 WHERE patient_id IS NULL")
    if is_sqlite():
        _rebuild_events(nullable=False)
    else:
        op.alter_column("events", "patient_id", nullable=False)


def _rebuild_events(*, nullable: bool) -> None:
    op.drop_index("events_by_age", "events")
    op.drop_index("events_by_channel", "events")
    op.create_table("new_events", *_items(nullable=nullable))
    op.execute(f"INSERT INTO new_events ({COLUMNS}) SELECT {COLUMNS} FROM events")  # noqa: S608 - only names of this file
    op.drop_table("events")
    op.rename_table("new_events", "events")
    op.create_index("events_by_age", "events", ["at"])
    op.create_index("events_by_channel", "events", ["channel", "seq"])


def _items(*, nullable: bool) -> list[Any]:
    return [
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dedup_key", sa.String(200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("channel", sa.String(60), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=nullable),
        sa.Column("consultation_id", sa.String(36)),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("dedup_key"),
    ]
