"""The last call of a doctor, as one fact on which calls depend."""

from datetime import datetime

from pydantic import Field

from patient_visit_engine.visit.frozen import LONG_AGO, Frozen, is_absent, is_false


class OtherCall(Frozen):
    """The call of a patient by another doctor, for a prestation that is not exclusive. An exclusive one has a reservation."""

    doctor_id: int
    until: datetime


class DoctorCall(Frozen):
    """The last call of a doctor. `appointment_id` is None when nothing is left of it: it was answered, or there was none.

    `is_kept`: the patient is reserved for this call, or the prestation is not exclusive, so that nothing is reserved.
    `other_call` is the one of the patient who is to be called now, if another doctor has called this patient. `patient_left`: this
    patient has left the house since the list was read.
    """

    doctor_id: int
    appointment_id: int | None = None
    called_at: datetime = LONG_AGO
    until: datetime = LONG_AGO
    is_kept: bool = False
    other_call: OtherCall | None = Field(default=None, exclude_if=is_absent)
    patient_left: bool = Field(default=False, exclude_if=is_false)

    def open_appointment(self, now: datetime) -> int | None:
        """The appointment of the call, while the doctor waits for the patient."""
        return self.appointment_id if self.is_kept and now < self.until else None
