"""Everything that is open in a hospital, read directly from the database."""

from dataclasses import dataclass
from typing import Any

from tests.support.engine import Engine

Row = dict[str, Any]
PLACES = (
    "SELECT waiting_line.*, reservations.until AS offer_until FROM waiting_line LEFT JOIN reservations"
    " ON reservations.person_id = waiting_line.person_id AND reservations.appointment_id = waiting_line.appointment_id"
    " ORDER BY turn, waiting_line.id"
)


@dataclass(frozen=True)
class OpenRows:
    """What is open, and how far the timeline and the event log are. A line has its places in order."""

    #: By consultation id.
    consultations: dict[str, Row]
    #: Check-ins without a consultation, by appointment.
    check_ins: dict[int, Row]
    #: By patient.
    lines: dict[int, list[Row]]
    timeline_id: int
    log_position: int

    @property
    def days(self) -> set[str]:
        """The days to which something belongs."""
        places = [place for line in self.lines.values() for place in line]
        return {str(row["visit_day"]) for row in (*self.consultations.values(), *self.check_ins.values(), *places)}

    @property
    def patients(self) -> set[int]:
        """The patients with something open."""
        trackings = (*self.consultations.values(), *self.check_ins.values())
        return {row["patient_id"] for row in trackings} | self.lines.keys()


async def read_open_rows(engine: Engine) -> OpenRows:
    """Read what is open now."""
    trackings = await engine.rows("SELECT * FROM patient_trackings WHERE status <> 'completed' ORDER BY id")
    lines: dict[int, list[Row]] = {}
    for place in await engine.rows(PLACES):
        lines.setdefault(place["patient_id"], []).append(place)
    (timeline,) = await engine.rows("SELECT coalesce(max(id), 0) AS newest FROM timeline")
    (log,) = await engine.rows("SELECT coalesce(max(seq), 0) AS newest FROM events")
    return OpenRows(
        consultations={row["consultation_id"]: row for row in trackings if row["status"] == "in_progress"},
        check_ins={row["appointment_id"]: row for row in trackings if row["status"] == "pending"},
        lines=lines,
        timeline_id=timeline["newest"],
        log_position=log["newest"],
    )
