"""The commands by which patients are called."""

from datetime import datetime

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.frozen import Frozen
from patient_visit_engine.visit.request import Request


class SkippedPatient(Frozen):
    """A patient who comes first in the list and was not called. `reason` is the code of a refusal, `no_answers` or `undecided`."""

    appointment_id: int
    reason: str


class CallPatient(Frozen):
    """The appointment's doctor calls the patient. `skipped` are those who come first.

    `call` is the doctor's last call as the API read it, or as the ledger found it when it had changed.
    """

    request: Request
    appointment: Appointment
    call: DoctorCall
    skipped: tuple[SkippedPatient, ...] = ()


class NoAnswer(Frozen):
    """The patient whom the appointment's doctor has called last did not come. `call` is as in `CallPatient`.

    `called_at` is the time of the call that the caller means. `behind_id` is the next appointment whose patient was free then.
    """

    request: Request
    appointment: Appointment
    call: DoctorCall
    called_at: datetime
    behind_id: int | None = None
