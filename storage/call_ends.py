"""What is written to an appointment that is moved or canceled, so that its call is over, also when the appointment comes back."""

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, and_, case, func, or_, select

from patient_visit_engine.storage.tables import appointments, doctors

#: The call of the appointment was ended by a move or a cancellation, and there is no later one. No patient stands behind themselves.
#: The doctor's row cannot say it, because it is locked before the appointment. And the order of the list needs the time of the call.
IS_ENDED = appointments.c.behind_id == appointments.c.id
IS_NOT_ENDED = appointments.c.behind_id.is_distinct_from(appointments.c.id)
_IS_LAST_CALL = and_(
    doctors.c.called_appointment_id == appointments.c.id, doctors.c.call_until > appointments.c.called_at
)


def columns_of_ended_call(at: datetime | BindParameter[datetime]) -> dict[str, Any]:
    """What ends a call of the appointment at this time, if there is one.

    A patient can stand behind another one already. The end of a call that still lasts takes that place away. When the time of the call
    is over, the patient keeps the place, and the call gets its end as its time. So no answer to it counts any more. The order stays,
    because the doctor has called no one since.
    """
    loses_place = or_(appointments.c.behind_id.is_(None), doctors.c.call_until > at)
    takes_place = select(doctors.c.id).where(_IS_LAST_CALL, loses_place).correlate(appointments).exists()
    over_since = select(doctors.c.call_until).where(_IS_LAST_CALL, ~loses_place).correlate(appointments)
    return {
        "behind_id": case((takes_place, appointments.c.id), else_=appointments.c.behind_id),
        "called_at": func.coalesce(over_since.scalar_subquery(), appointments.c.called_at),
    }
