"""Merges of patient records, and the consultations that were both in progress when two records became one person."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")

ONE_CONSULTATION = "one_exclusive_consultation_per_person"
ONE_MERGE = "one_merge_per_record"
RUNNING = "status = 'in_progress' AND exclusive"


def only(rows: str) -> dict[str, Any]:
    """Arguments for an index of only these rows, for both databases."""
    return {"sqlite_where": sa.text(rows), "postgresql_where": sa.text(rows)}


def upgrade() -> None:
    """No record is merged yet, so no tracking is marked."""
    no = sa.text("false")
    op.add_column("patient_trackings", sa.Column("merged", sa.Boolean(), server_default=no, nullable=False))
    _replace_index(f"{RUNNING} AND NOT merged")
    op.create_table(
        "patient_merges",
        sa.Column("id", ID, nullable=False),
        sa.Column("survivor_id", sa.BigInteger(), nullable=False),
        sa.Column("retired_id", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Text(), nullable=False),
        sa.Column("merged_at", MOMENT, nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("both_in_consultation", sa.Boolean(), nullable=False),
        sa.Column("caller_id", ID, nullable=False),
        sa.Column("separated_at", MOMENT),
        sa.ForeignKeyConstraint(["survivor_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["retired_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["caller_id"], ["callers.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(ONE_MERGE, "patient_merges", ["retired_id"], unique=True, **only("separated_at IS NULL"))


def downgrade() -> None:
    """Each record is its own person again, because the older program knows no merge. No other row is lost.

    A person has at most one exclusive consultation, one place of a doctor and one reservation under each of its records.
    """
    op.drop_table("patient_merges")
    op.drop_index(ONE_CONSULTATION, "patient_trackings")
    for table in ("patient_trackings", "waiting_line", "reservations"):
        op.execute(f"UPDATE {table} SET person_id = patient_id WHERE person_id <> patient_id")  # noqa: S608 - constant
    op.execute("UPDATE patients SET person_id = id WHERE person_id <> id")
    op.create_index(ONE_CONSULTATION, "patient_trackings", ["person_id"], unique=True, **only(RUNNING))
    op.drop_column("patient_trackings", "merged")


def _replace_index(rows: str) -> None:
    op.drop_index(ONE_CONSULTATION, "patient_trackings")
    op.create_index(ONE_CONSULTATION, "patient_trackings", ["person_id"], unique=True, **only(rows))
