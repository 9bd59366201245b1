"""The commands that begin, change or end a consultation."""

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.facts import OtherConsultation
from patient_visit_engine.visit.frozen import Frozen
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.request import Request


class StartConsultation(Frozen):
    """The appointment's doctor begins to see the patient. With `wait`, a refused doctor joins the waiting line.

    `doctor_busy` is the hospital's rule for a doctor who has another patient. `busy_with` are the doctor's consultations with them as
    the API read them, or as the ledger found them when they had changed.
    """

    request: Request
    appointment: Appointment
    wait: bool = False
    doctor_busy: DoctorBusy = DoctorBusy.off
    busy_with: tuple[OtherConsultation, ...] = ()


class CompleteConsultation(Frozen):
    """The holder ends the consultation."""

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
    """A supervisor ends a consultation that its holder forgot. The reason stays in the database."""

    request: Request
    patient_id: int
    consultation_id: str


class UndoStart(Frozen):
    """The start was a mistake. `doctor_id` is None when a supervisor takes it back.

    `past` is the appointment's past as the API read it, or as the ledger found it when it had changed.
    """

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int | None = None
    past: PastTracking


class Reopen(Frozen):
    """The completion was a mistake: the consultation goes on. `doctor_id` and `past` are as in `UndoStart`."""

    request: Request
    appointment: Appointment
    consultation_id: str
    doctor_id: int | None = None
    past: PastTracking


class Pause(Frozen):
    """The holder interrupts the consultation, so that the patient is free for others. The reason stays in the database."""

    request: Request
    patient_id: int
    consultation_id: str
    doctor_id: int


class Resume(Frozen):
    """The doctor of a paused consultation goes on with it. `doctor_busy` and `busy_with` are as in `StartConsultation`."""

    request: Request
    appointment: Appointment
    consultation_id: str
    doctor_busy: DoctorBusy = DoctorBusy.off
    busy_with: tuple[OtherConsultation, ...] = ()


class Transfer(Frozen):
    """The consultation ends, and another doctor goes on with the patient. `doctor_id` is as in `UndoStart`.

    `to_doctor_id` is the receiver, and `to_doctor_active` is as in `Reassign`.
    """

    request: Request
    appointment: Appointment
    consultation_id: str
    doctor_id: int | None = None
    to_doctor_id: int
    to_doctor_active: bool = Field(default=True, exclude_if=bool)
