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


#: The statuses of an appointment whose patient has not arrived.
BEFORE_ARRIVAL = frozenset({AppointmentStatus.scheduled, AppointmentStatus.confirmed})
CLOSED_STATUSES = frozenset({AppointmentStatus.canceled, AppointmentStatus.done})


class TrackingStatus(StrEnum):
    """How far a patient is with one prestation: waiting, in consultation, between two parts of one, or finished."""

    pending = "pending"
    in_progress = "in_progress"
    paused = "paused"
    completed = "completed"


class Outcome(StrEnum):
    """Why a tracking is completed."""

    #: The doctor completed the consultation.
    done = "done"
    #: The consultation reached its time limit (`VISIT_ABANDON_AFTER`), or its pause did (`VISIT_PAUSE_LIMIT`).
    timed_out = "timed_out"
    #: A supervisor ended the consultation.
    released = "released"
    #: The appointment's status was changed, for example to canceled. This spelling is stored.
    cancelled = "cancelled"
    #: The patient left without being seen. Older rows have `cancelled`.
    left = "left"
    #: The patient waited for `VISIT_NOT_SEEN_AFTER`, and no doctor started the consultation.
    not_seen = "not_seen"
    #: The start or the check-in was a mistake, and was taken back.
    mistaken = "mistaken"
    #: The consultation was transferred to another doctor.
    transferred = "transferred"


#: After these outcomes the person has left the house.
GONE = (Outcome.left, Outcome.not_seen)


class CancelReason(StrEnum):
    """Why an appointment is canceled. The text of the caller, if there is one, is in the timeline."""

    #: The patient canceled.
    patient = "patient"
    #: The clinic canceled.
    clinic = "clinic"
    #: The patient did not come.
    no_show = "no_show"
    other = "other"


class ReservationKind(StrEnum):
    """Why a free patient is reserved for a doctor."""

    #: The doctor waited in line.
    offered = "offered"
    #: The doctor called the patient.
    called = "called"
    #: Another doctor sent the patient.
    transferred = "transferred"


class DoctorBusy(StrEnum):
    """What an exclusive start means while the same doctor is in an exclusive consultation with another patient."""

    #: Nothing.
    off = "off"
    #: It is granted with a warning.
    warn = "warn"
    #: It is refused.
    refuse = "refuse"


class Role(StrEnum):
    """The rights of a member of staff, or of a program."""

    doctor = "doctor"
    reception = "reception"
    supervisor = "supervisor"
    service = "service"
    #: Manages staff accounts, doctors and prestations. Reads nothing about patients.
    admin = "admin"
    #: A screen in the waiting room. It shows tickets that are called, and reads nothing about patients.
    wall = "wall"


class RescueReason(StrEnum):
    """Why the workflow of a visit was ended."""

    #: The worker's code fails again and again on the workflow's history.
    workflow_task_failed = "workflow_task_failed"
    #: Another workflow has the visit's id.
    foreign_workflow = "foreign_workflow"
