"""The numbers and words that the hospital's records use; it must not know who writes them or where."""

from enum import IntEnum, StrEnum


class AppointmentStatus(IntEnum):
    """An appointment's status, by the number that hospital systems already store."""

    scheduled = 0
    confirmed = 1
    canceled = 2
    pending = 3
    done = 4
    in_progress = 5


CLOSED_APPOINTMENT = frozenset({AppointmentStatus.canceled, AppointmentStatus.done})


class TrackingStatus(StrEnum):
    """Where a patient stands with one prestation: waiting for it, inside it, or through."""

    pending = "pending"
    in_progress = "in_progress"
    completed = "completed"


class Outcome(StrEnum):
    """Why a tracking is completed."""

    done = "done"
    timed_out = "timed_out"
    released = "released"
    cancelled = "cancelled"
    not_seen = "not_seen"


class Role(StrEnum):
    """What a signed-in member of staff, or a program, may do."""

    doctor = "doctor"
    reception = "reception"
    supervisor = "supervisor"
    service = "service"
