"""Writes calls: the doctor's last call, the reservation of the patient, and how often a patient did not answer."""

from sqlalchemy import BigInteger, SmallInteger, and_, bindparam, case, update

from patient_visit_engine.storage.call_ends import IS_ENDED
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.writer import Writer
from patient_visit_engine.storage.tables import appointments, doctors
from patient_visit_engine.storage.tables.columns import Timestamp
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.changes import NoteCall, WriteNoAnswers
from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.visit.line_changes import PostponeReservation

_NEW_NO_ANSWERS = bindparam("new_no_answers", type_=SmallInteger())
_OF_APPOINTMENT = appointments.c.id == bindparam("key")
SET_CALLED_AT = (
    update(appointments)
    .where(_OF_APPOINTMENT)
    .values(
        called_at=bindparam("new_called_at", type_=Timestamp()),
        behind_id=case((IS_ENDED, None), else_=appointments.c.behind_id),
    )
)
SET_CALL = (
    update(doctors)
    .where(doctors.c.id == bindparam("key"))
    .values(
        called_appointment_id=bindparam("new_called_id", type_=BigInteger()),
        call_until=bindparam("new_until", type_=Timestamp()),
    )
)
SET_NO_ANSWERS = (
    update(appointments)
    .where(_OF_APPOINTMENT)
    .values(
        no_answers=_NEW_NO_ANSWERS,
        # A patient who has been found does not get back a call that has ended.
        behind_id=case(
            (and_(IS_ENDED, _NEW_NO_ANSWERS == 0), appointments.c.behind_id),
            else_=bindparam("new_behind_id", type_=BigInteger()),
        ),
    )
)
#: The doctor has called no one since this appointment.
_IS_LAST_CALL = and_(doctors.c.id == bindparam("key"), doctors.c.called_appointment_id == bindparam("called_id"))
END_CALL = update(doctors).where(_IS_LAST_CALL).values(called_appointment_id=None, call_until=None)
POSTPONE_CALL = update(doctors).where(_IS_LAST_CALL).values(call_until=bindparam("new_until", type_=Timestamp()))


def note_call(change: NoteCall, writer: Writer) -> None:
    """The doctor waits for this patient, and for no other one."""
    appointment, connection = change.appointment, writer.connection
    called_at = {"key": appointment.id, "new_called_at": to_millisecond(writer.at)}
    call = {"key": appointment.doctor_id, "new_called_id": appointment.id, "new_until": to_millisecond(change.until)}
    for statement, values in ((SET_CALLED_AT, called_at), (SET_CALL, call)):
        if connection.execute(statement, values).rowcount != 1:
            raise OvertakenError
    if change.reservation is not None:
        # An offer to this doctor becomes the call.
        writer.delete_reservation()
        writer.reserve(change.reservation)


def postpone_reservation(change: PostponeReservation, writer: Writer) -> None:
    """The reservation gets more time, and so does the call that it is for."""
    reservation = change.reservation
    if not writer.delete_reservation():
        raise OvertakenError
    writer.reserve(reservation)
    if reservation.kind is ReservationKind.called:
        call = {"key": reservation.doctor_id, "called_id": reservation.appointment_id, "new_until": reservation.until}
        # The doctor is not locked, and may have called another patient since the call was read.
        if writer.connection.execute(POSTPONE_CALL, call).rowcount != 1:
            raise OvertakenError


def write_no_answers(change: WriteNoAnswers, writer: Writer) -> None:
    """The call is over, and the patient stands behind another one."""
    appointment = change.appointment
    values = {"key": appointment.id, "new_no_answers": change.no_answers, "new_behind_id": change.behind_id}
    if writer.connection.execute(SET_NO_ANSWERS, values).rowcount != 1:
        raise OvertakenError
    if change.no_answers:
        writer.connection.execute(END_CALL, {"key": appointment.doctor_id, "called_id": appointment.id})
