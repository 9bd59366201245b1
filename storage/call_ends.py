"""What is written to an appointment that is moved or canceled, so that its call is over, also when the appointment comes back."""

from sqlalchemy import case, select

from patient_visit_engine.storage.tables import appointments, doctors

_HAS_CALL = (
    select(doctors.c.id)
    .where(doctors.c.called_appointment_id == appointments.c.id, doctors.c.call_until > appointments.c.called_at)
    .correlate(appointments)
    .exists()
)
#: The call of the appointment was ended by a move or a cancellation, and there is no later one. No patient stands behind themselves.
#: The doctor's row cannot say it, because it is locked before the appointment. And the order of the list needs the time of the call.
IS_ENDED = appointments.c.behind_id == appointments.c.id
IS_NOT_ENDED = appointments.c.behind_id.is_distinct_from(appointments.c.id)
#: The `behind_id` that ends a call.
BEHIND_ID_OF_ENDED = case((_HAS_CALL, appointments.c.id), else_=appointments.c.behind_id)
