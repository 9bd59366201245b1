"""The commands on a patient as a whole, on two records of one person, and those of the engine itself."""

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.frozen import Frozen, is_absent
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.request import Request


class CheckInPatient(Frozen):
    """The patient has arrived, for all open appointments of the day.

    `day` are the appointments as the API read them, or as the ledger found them when they had changed. `record_id` is as in a merge.
    """

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class CheckOutPatient(Frozen):
    """The patient has left without being seen. The fields are those of `CheckInPatient`."""

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class UndoCheckInPatient(Frozen):
    """The patient is not here. The fields are those of `CheckInPatient`."""

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class UndoCheckOutPatient(Frozen):
    """The patient is still here. The fields are those of `CheckInPatient`."""

    request: Request
    patient_id: int
    day: DayAppointments
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class OpenWalkIn(Frozen):
    """A patient has come without an appointment, and gets `walk_in`. The names of a new patient are in the row of the request.

    `walk_in` has what its doctor and its prestation had when the API read them, or as the ledger found it when it had changed.
    `sent_by` is the doctor who sends the command. None: reception or a supervisor does.
    """

    request: Request
    walk_in: Appointment
    sent_by: int | None = None


class MergePatients(Frozen):
    """The hospital found that two records are one person. The reason stays in the database.

    `retired` is the other record as the API read it, or as the ledger found it when it had changed. `record_id` is the record that the
    caller named, when it is a retired one of this patient.
    """

    request: Request
    patient_id: int
    retired: SeenRecord
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class SeparatePatients(Frozen):
    """A supervisor undoes the merge that retired this record. `record_id` is as in a merge."""

    request: Request
    patient_id: int
    retired: SeenRecord
    record_id: int | None = Field(default=None, exclude_if=is_absent)


class Adopt(Frozen):
    """Read the facts again, and take over what is open from earlier days."""


class Rescue(Frozen):
    """Note that the visit's earlier workflow was ended, because it could not decide any more, and read the facts again."""

    reason: RescueReason
