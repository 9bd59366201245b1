"""Every way in which a visit says no, one class a reason, its docstring the title; it must not know HTTP or how a screen shows it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from patient_visit_engine.visit.codes import CLOSED_APPOINTMENT, AppointmentStatus
from patient_visit_engine.visit.state import Appointment, Consultation, Frozen, VisitState


class PatientInConsultation(Frozen):
    """Patient is in another consultation"""

    code: Literal["patient_in_consultation"] = "patient_in_consultation"
    holder: Consultation
    position: int | None = None


class PatientReserved(Frozen):
    """Patient is reserved for a doctor who waited"""

    code: Literal["patient_reserved"] = "patient_reserved"
    doctor_id: int
    until: datetime
    position: int | None = None


class PatientFree(Frozen):
    """Patient is free: there is nothing to wait for"""

    code: Literal["patient_free"] = "patient_free"


class AppointmentInProgress(Frozen):
    """Appointment is in progress"""

    code: Literal["appointment_in_progress"] = "appointment_in_progress"
    holder: Consultation


class AppointmentClosed(Frozen):
    """Appointment is closed"""

    code: Literal["appointment_closed"] = "appointment_closed"
    status: AppointmentStatus


class AppointmentMismatch(Frozen):
    """Appointment belongs to another patient or doctor"""

    code: Literal["appointment_mismatch"] = "appointment_mismatch"


class ConsultationEnded(Frozen):
    """Consultation has already ended"""

    code: Literal["consultation_ended"] = "consultation_ended"


class NotYours(Frozen):
    """Consultation belongs to another doctor"""

    code: Literal["not_yours"] = "not_yours"


class NotCheckedIn(Frozen):
    """Patient is not checked in for this appointment"""

    code: Literal["not_checked_in"] = "not_checked_in"


class NotInConsultation(Frozen):
    """Appointment has no consultation in progress"""

    code: Literal["not_in_consultation"] = "not_in_consultation"


Refusal = Annotated[
    PatientInConsultation
    | PatientReserved
    | PatientFree
    | AppointmentInProgress
    | AppointmentClosed
    | AppointmentMismatch
    | ConsultationEnded
    | NotYours
    | NotCheckedIn
    | NotInConsultation,
    Field(discriminator="code"),
]


def appointment_refusal(mine: Appointment, state: VisitState) -> Refusal | None:
    """Why this appointment is not open to anything new: it is in progress, or it is over."""
    if (running := state.consultation_of(mine.id)) is not None:
        return AppointmentInProgress(holder=running)
    return AppointmentClosed(status=mine.status) if mine.status in CLOSED_APPOINTMENT else None
