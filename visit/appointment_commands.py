"""The commands on one appointment, apart from its consultation."""

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason
from patient_visit_engine.visit.frozen import Frozen, is_absent
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.request import Request


class CancelAppointment(Frozen):
    """The appointment will not take place."""

    request: Request
    appointment: Appointment
    reason: CancelReason


class UndoCancel(Frozen):
    """The cancellation was a mistake. `past` is as in `UndoStart`."""

    request: Request
    appointment: Appointment
    past: PastTracking


class CheckIn(Frozen):
    """The patient has arrived for the appointment."""

    request: Request
    appointment: Appointment


class CheckOut(Frozen):
    """The patient has left without being seen.

    `past` is as in `UndoStart`. None: the patient was checked in for the appointment when the API read it.
    If another check-out came first, the ledger returns the past.
    """

    request: Request
    appointment: Appointment
    past: PastTracking | None = Field(default=None, exclude_if=is_absent)


class UndoCheckIn(Frozen):
    """The check-in was a mistake. `past` is as in `UndoStart`."""

    request: Request
    appointment: Appointment
    past: PastTracking


class UndoCheckOut(Frozen):
    """The check-out was a mistake: the patient is still here. `past` is as in `UndoStart`."""

    request: Request
    appointment: Appointment
    past: PastTracking


class SetAppointmentStatus(Frozen):
    """Reception, a supervisor or the appointment's doctor sets the status. `doctor_id` is None unless a doctor does."""

    request: Request
    appointment: Appointment
    status: AppointmentStatus
    doctor_id: int | None = None


class SetPriority(Frozen):
    """Reception, a supervisor or the appointment's doctor says how urgent it is: 1 is most urgent, None is no priority."""

    request: Request
    appointment: Appointment
    priority: int | None = None


class Reassign(Frozen):
    """Reception, a supervisor or the appointment's doctor gives the appointment to another doctor. The reason stays in the database.

    `doctor_active`: whether that doctor works here, as the API read it. The ledger does not compare it: a doctor who becomes inactive
    at this moment has the appointment, but cannot start it.
    """

    request: Request
    appointment: Appointment
    doctor_id: int
    doctor_active: bool = Field(default=True, exclude_if=bool)


class ChangeAppointment(Frozen):
    """The hospital's own system changes these fields of an appointment for which something is open.

    `version` is the one that the appointment must still have, because its sender has named it or a time. None: it may have any.
    """

    request: Request
    appointment: Appointment
    fields_sent: AppointmentFields
    version: int | None = Field(default=None, exclude_if=is_absent)


class JoinWaitingLine(Frozen):
    """The appointment's doctor waits for the busy patient."""

    request: Request
    appointment: Appointment


class LeaveWaitingLine(Frozen):
    """The appointment's doctor stops waiting."""

    request: Request
    appointment: Appointment
