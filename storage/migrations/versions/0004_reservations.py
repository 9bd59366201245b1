"""Reservations of patients as separate rows, and a waiting line that no longer belongs to a day."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")
OLD_LINE = "id, patient_id, doctor_id, appointment_id, visit_day, since"


def upgrade() -> None:
    """Keep each doctor's first place in a person's line, in the same order. An offer that still stands becomes a reservation."""
    op.create_table(
        "reservations",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("appointment_id", sa.BigInteger(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('offered', 'called', 'transferred')", name="a_reservation_has_a_known_kind"),
        sa.ForeignKeyConstraint(["person_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"]),
        sa.PrimaryKeyConstraint("person_id"),
    )
    op.create_index("reservations_by_end", "reservations", ["until"])
    op.execute(
        sa.text(
            "INSERT INTO reservations (person_id, patient_id, kind, doctor_id, appointment_id, visit_day, since, until)"
            " SELECT p.person_id, w.patient_id, 'offered', w.doctor_id, w.appointment_id, w.visit_day, w.since, w.offered_until"
            " FROM waiting_line w JOIN patients p ON p.id = w.patient_id WHERE w.offered_until > :now AND w.id ="
            " (SELECT min(o.id) FROM waiting_line o JOIN patients op ON op.id = o.patient_id"
            " WHERE op.person_id = p.person_id AND o.offered_until > :now)"
        ).bindparams(sa.bindparam("now", datetime.now(UTC), type_=_moment()))
    )
    _delete_second_places()
    person = "(SELECT p.person_id FROM patients p WHERE p.id = patient_id)"
    turn = "row_number() OVER (ORDER BY since, id)"
    _rebuild_line(_new_line(), f"{OLD_LINE}, {person}, {turn}, 0, offered_until")
    op.create_index("one_place_in_line_per_doctor", "waiting_line", ["person_id", "doctor_id"], unique=True)


def downgrade() -> None:
    """Put the reservation back at its place in line. A reservation without a place is lost."""
    reserved = (
        "(SELECT r.until FROM reservations r WHERE r.person_id = waiting_line.person_id"
        " AND r.doctor_id = waiting_line.doctor_id)"
    )
    op.drop_index("one_place_in_line_per_doctor", "waiting_line")
    _rebuild_line(_old_line(), f"{OLD_LINE}, coalesce({reserved}, notified_at)")
    op.create_index(
        "one_place_in_line_per_doctor", "waiting_line", ["patient_id", "visit_day", "doctor_id"], unique=True
    )
    op.drop_table("reservations")


def _moment() -> Any:
    """The type that writes a moment as the tables do."""
    if op.get_bind().dialect.name == "sqlite":
        return _Rfc3339()
    return sa.DateTime(timezone=True)


class _Rfc3339(sa.TypeDecorator[datetime]):
    impl = sa.String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def _delete_second_places() -> None:
    op.execute(
        "DELETE FROM waiting_line WHERE id NOT IN (SELECT min(w.id) FROM waiting_line w"
        " JOIN patients p ON p.id = w.patient_id GROUP BY p.person_id, w.doctor_id)"
    )
    op.drop_index("one_place_in_line_per_doctor", "waiting_line")


def _rebuild_line(items: list[Any], values: str) -> None:
    """Replace the waiting line. On PostgreSQL too: a few rows only, and one way for both databases."""
    op.create_table("new_waiting_line", *items)
    columns = ", ".join(item.name for item in items if isinstance(item, sa.Column))
    rows = f"SELECT {values} FROM waiting_line ORDER BY since, id"  # noqa: S608 - only names of this file
    op.execute(f"INSERT INTO new_waiting_line ({columns}) {rows}")
    op.drop_table("waiting_line")
    op.rename_table("new_waiting_line", "waiting_line")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER SEQUENCE new_waiting_line_id_seq RENAME TO waiting_line_id_seq")
        op.execute("ALTER INDEX new_waiting_line_pkey RENAME TO waiting_line_pkey")
        op.execute("SELECT setval('waiting_line_id_seq', coalesce((SELECT max(id) FROM waiting_line), 0) + 1, false)")


def _old_line() -> list[Any]:
    return [
        sa.Column("id", ID, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("appointment_id", sa.BigInteger(), nullable=False),
        sa.Column("visit_day", sa.Date(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("offered_until", MOMENT),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointments.id"]),
        sa.ForeignKeyConstraint(["doctor_id"], ["doctors.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    ]


def _new_line() -> list[Any]:
    return [
        *_old_line()[:6],
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("unused_offers", sa.Integer(), nullable=False),
        sa.Column("notified_at", MOMENT),
        *_old_line()[7:],
        sa.ForeignKeyConstraint(["person_id"], ["patients.id"]),
    ]
