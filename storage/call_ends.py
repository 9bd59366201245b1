"""What is written to an appointment that is moved or canceled, so that its call is over, also when the appointment comes back."""

from datetime import datetime

from sqlalchemy import BindParameter, Case, case, or_, select

from patient_visit_engine.storage.tables import appointments, doctors

#: The call of the appointment was ended by a move or a cancellation, and there is no later one. No patient stands behind themselves.
#: The doctor's row cannot say it, because it is locked before the appointment. And the order of the list needs the time of the call.
IS_ENDED = appointments.c.behind_id == appointments.c.id
IS_NOT_ENDED = appointments.c.behind_id.is_distinct_from(appointments.c.id)


def behind_id_of_ended(at: datetime | BindParameter[datetime]) -> Case[int | None]:
    """The `behind_id` that ends a call at this time.

    A patient can stand behind another one already. Then only a call that still lasts is ended, because its end takes that place away.
    """
    ends_call = (
        select(doctors.c.id)
        .where(
            doctors.c.called_appointment_id == appointments.c.id,
            doctors.c.call_until > appointments.c.called_at,
            or_(appointments.c.behind_id.is_(None), doctors.c.call_until > at),
        )
        .correlate(appointments)
        .exists()
    )
    return case((ends_call, appointments.c.id), else_=appointments.c.behind_id)
