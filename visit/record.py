"""The messages between a visit and the ledger."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.changes import RewriteAppointment
from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.visit.commands import Command, separated_person
from patient_visit_engine.visit.consultation_changes import TransferConsultation
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.decisions import ConsultationAnswer, Decision, Refused
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.facts import Facts, OtherConsultation, Reservation
from patient_visit_engine.visit.frozen import Frozen, is_absent
from patient_visit_engine.visit.line_changes import PostponeReservation
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.refusals import DoctorInConsultation, NotCheckedIn
from patient_visit_engine.visit.request import Request


class UnrecordableError(Exception):
    """The entry is about another patient, or was not recorded in several attempts because of a constraint or a row that had changed."""


class LedgerEntry(Frozen):
    """One decision to record. It is valid only while the ledger still has the facts `seen` and the appointment `appointment`.

    A start is also valid only while its doctor has the consultations `busy_with`, if the decision looked at them.

    `command` is the name of the decided command, for the log. Empty: a timer decided. `retries` is how often the visit decided it
    before, on older facts.

    `retired` is the record that the decision merges or separates. The ledger compares it with the record as it is now. `version` is the
    one that the appointment must still have, if its sender has named it. `record_id` is the retired record that must still belong to the
    patient, if the caller of a merge or a separation has named it.

    `call` is the last call of the appointment's doctor, if the decision is based on it. Without `keeps_refusal` the ledger writes nothing
    for a refusal, and the key stays open. A new call also has the first moments of the day and of the day before.
    """

    patient_id: int
    day: date
    decision: Decision
    seen: Facts
    request: Request | None = None
    appointment: Appointment | None = None
    command: str = ""
    retries: int = 0
    past: PastTracking | None = Field(default=None, exclude_if=is_absent)
    day_appointments: DayAppointments | None = Field(default=None, exclude_if=is_absent)
    walk_in: Appointment | None = Field(default=None, exclude_if=is_absent)
    call: DoctorCall | None = Field(default=None, exclude_if=is_absent)
    keeps_refusal: bool = Field(default=True, exclude_if=bool)
    day_starts_at: datetime | None = Field(default=None, exclude_if=is_absent)
    yesterday_starts_at: datetime | None = Field(default=None, exclude_if=is_absent)
    retired: SeenRecord | None = None
    version: int | None = Field(default=None, exclude_if=is_absent)
    record_id: int | None = Field(default=None, exclude_if=is_absent)

    @property
    def busy_with(self) -> tuple[OtherConsultation, ...] | None:
        """The doctor's consultations with other patients that the decision is based on. None: it is based on none of them."""
        answer = self.decision.answer
        if isinstance(answer, Refused):
            return answer.refusal.busy_with if isinstance(answer.refusal, DoctorInConsultation) else None
        return answer.busy_with if isinstance(answer, ConsultationAnswer) else None

    @property
    def lacks_past(self) -> bool:
        """Whether the decision depends on the past of the appointment, which the command does not have.

        The patient was checked in when a check-out was read, and another check-out was decided first.
        """
        answer = self.decision.answer
        is_not_here = isinstance(answer, Refused) and isinstance(answer.refusal, NotCheckedIn)
        return is_not_here and self.appointment is not None and self.past is None

    @property
    def postponed_call(self) -> Reservation | None:
        """The reservation of a call that gets more time, if it does. This is valid while the doctor has called no other patient."""
        postponed = (change for change in self.decision.changes if isinstance(change, PostponeReservation))
        reservation = next((change.reservation for change in postponed), None)
        return reservation if reservation is not None and reservation.kind is ReservationKind.called else None

    def keeps_call(self, call: DoctorCall | None) -> bool:
        """Whether the decision is valid while this is the last call of the doctor. None: it is based on no call."""
        postponed = self.postponed_call
        is_postponed = postponed is not None and call is not None and call.appointment_id == postponed.appointment_id
        return is_postponed or call == self.call

    @property
    def new_patient_id(self) -> int | None:
        """The other patient to whom the decision gives the appointment, if it does."""
        return None if self._new_fields is None else self._new_fields.patient_id

    @property
    def doctor_id(self) -> int | None:
        """The doctor of the appointment after the decision. None: the decision is about no appointment."""
        if (transferred := self.transferred) is not None:
            return transferred.to_doctor_id
        if self._new_fields is not None and self._new_fields.doctor_id is not None:
            return self._new_fields.doctor_id
        return None if self.appointment is None else self.appointment.doctor_id

    @property
    def transferred(self) -> TransferConsultation | None:
        """The transfer of the decision, if it is one."""
        return next((change for change in self.decision.changes if isinstance(change, TransferConsultation)), None)

    @property
    def _new_fields(self) -> AppointmentFields | None:
        rewritten = (change for change in self.decision.changes if isinstance(change, RewriteAppointment))
        return next((change.new_fields for change in rewritten), None)


class LedgerReply(Frozen):
    """The ledger's reply, with the patient's facts now.

    `overtaken`: the ledger wrote nothing, because the facts or the appointment were not those of the entry, or the doctor was busy
    with other patients (`busy_with`). The reply then has what stands now. The ledger also writes nothing when the request was
    decided before. Then `overtaken` is false.

    When the entry's patient is a retired record, the reply is `overtaken`, and `facts.moved_to` is its survivor. When the record that
    the entry names belongs to another person, the reply is `overtaken`, and `moved_to` is this person. `retired` is the record that the
    entry merges or separates, as it is now.

    `expired`: the ledger wrote nothing, because the command came after the end of its validity. Its key stays open.

    `answer` and `code` describe the stored answer of the request, see `visit.visit_messages.Reply`. A repeated request has the answer that
    was stored first.
    """

    facts: Facts
    overtaken: bool = False
    appointment: Appointment | None = None
    expired: bool = False
    busy_with: tuple[OtherConsultation, ...] | None = None
    answer: Literal["granted", "refused"] | None = None
    code: str | None = None
    retired: SeenRecord | None = Field(default=None, exclude_if=is_absent)
    past: PastTracking | None = Field(default=None, exclude_if=is_absent)
    day_appointments: DayAppointments | None = Field(default=None, exclude_if=is_absent)
    walk_in: Appointment | None = Field(default=None, exclude_if=is_absent)
    call: DoctorCall | None = Field(default=None, exclude_if=is_absent)
    moved_to: int | None = Field(default=None, exclude_if=is_absent)


def new_person(command: Command, reply: LedgerReply) -> int | None:
    """The person to whose visit the command belongs since a merge or a separation. None: it belongs to the same visit."""
    if not reply.overtaken:
        return None
    return reply.facts.moved_to or reply.moved_to or separated_person(command, reply.appointment)
