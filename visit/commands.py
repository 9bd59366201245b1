"""What a visit can be asked to do; it must not carry a name, free text or anything a client wrote."""

from datetime import date, datetime

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Appointment, Frozen, Limits, VisitState


class Request(Frozen):
    """Who asks, and under which identity the answer is kept.

    `id` is the SHA-256 of the caller and the Idempotency-Key; `fingerprint` that of method, path and body.
    """

    id: str
    caller_id: int
    fingerprint: str


class StartConsultation(Frozen):
    """The appointment's doctor begins to see the patient; with `wait`, or else takes a place in the line."""

    request: Request
    appointment: Appointment
    wait: bool = False


class CompleteConsultation(Frozen):
    """The holder says that the consultation is over."""

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int


class ExtendConsultation(Frozen):
    """The holder needs `minutes` more."""

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int
    minutes: int


class ReleaseConsultation(Frozen):
    """A supervisor ends somebody else's forgotten consultation; the reason stays in the database."""

    request: Request
    patient_id: int
    consultation_id: str


class CheckIn(Frozen):
    """The patient has arrived for the appointment."""

    request: Request
    appointment: Appointment


class CheckOut(Frozen):
    """The patient has left without being seen."""

    request: Request
    appointment: Appointment


class SetAppointmentStatus(Frozen):
    """Somebody at a desk sets the appointment's status; `doctor_id` is the asker's own, None for other staff."""

    request: Request
    appointment: Appointment
    status: AppointmentStatus
    doctor_id: int | None = None


class JoinWaitingLine(Frozen):
    """The appointment's doctor waits for the busy patient."""

    request: Request
    appointment: Appointment


class LeaveWaitingLine(Frozen):
    """The appointment's doctor waits no longer."""

    request: Request
    appointment: Appointment


class Adopt(Frozen):
    """Take over the timers of these consultations: no other visit keeps them any more."""

    consultation_ids: tuple[str, ...] = ()


OnConsultation = CompleteConsultation | ExtendConsultation | ReleaseConsultation
Command = (
    OnConsultation | StartConsultation | CheckIn | CheckOut | SetAppointmentStatus | JoinWaitingLine | LeaveWaitingLine
)


def patient_of(command: Command) -> int:
    """Whose visit the command is for."""
    return command.patient_id if isinstance(command, OnConsultation) else command.appointment.patient_id


def appointment_of(command: Command) -> Appointment | None:
    """The appointment that the command is about, as the asker knew it; those about a consultation name none."""
    return None if isinstance(command, OnConsultation) else command.appointment


class OpenVisit(Frozen):
    """The input of a visit's first run; the runs after it get the whole state."""

    patient_id: int
    day: date
    day_ends_at: datetime
    limits: Limits = Limits()
    carried: VisitState | None = None


class Reply(Frozen):
    """What a visit tells the API: the answer is in the ledger under the request's id, or this day takes no more."""

    decided: bool
