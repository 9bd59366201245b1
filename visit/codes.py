"""The codes of the hospital's records: statuses, outcomes and roles."""

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
    """A patient waits for a prestation, is in it, or has finished it."""

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
    """The rights of a member of staff, or of a program."""

    doctor = "doctor"
    reception = "reception"
    supervisor = "supervisor"
    service = "service"
