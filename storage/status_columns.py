"""What is written with the status of an appointment that another system of the hospital has sent."""

from datetime import datetime
from typing import Any

from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, AppointmentStatus


def columns_of_status(present: AppointmentStatus, status: AppointmentStatus, at: datetime) -> dict[str, Any]:
    """The columns of an appointment that gets this status at this time. The ledger's statement for a status writes the same."""
    columns = {
        "status": status.value,
        "canceled_at": at if status is AppointmentStatus.canceled else None,
        "cancel_reason": None,
    }
    if present in BEFORE_ARRIVAL and status not in BEFORE_ARRIVAL:
        columns["earlier_status"] = present.value
    return columns
