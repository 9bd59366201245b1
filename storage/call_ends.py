"""What is written to an appointment that is moved or canceled, so that its call is over, also when the appointment comes back."""

from sqlalchemy import func, select

from patient_visit_engine.storage.tables import appointments, doctors

_LAST_MOMENT = (
    select(func.max(doctors.c.call_until))
    .where(doctors.c.called_appointment_id == appointments.c.id, doctors.c.call_until > appointments.c.called_at)
    .correlate(appointments)
    .scalar_subquery()
)
#: The `called_at` of a call that ends. A call from its last moment on is no call (`IS_LEFT`). Without a time, the order of the list
#: would take the patient for one who was never called. And the doctor, who is locked before the appointment, is only read.
CALLED_AT_OF_ENDED = func.coalesce(_LAST_MOMENT, appointments.c.called_at)
