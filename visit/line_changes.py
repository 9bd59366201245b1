"""The changes of the waiting line and of a patient's reservation."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from patient_visit_engine.visit.facts import Reservation, WaitingDoctor
from patient_visit_engine.visit.frozen import Frozen, is_absent


class PostponeReservation(Frozen):
    """The time limit of a reservation passed while no visit ran. `reservation` has a later one."""

    change: Literal["postpone_reservation"] = "postpone_reservation"
    reservation: Reservation


class JoinLine(Frozen):
    """A doctor takes the last place in the waiting line, or the first one, because the reservation of a transfer or a call was withdrawn.

    A doctor who goes first may have had a place: then this one replaces it.
    """

    change: Literal["join_line"] = "join_line"
    place: WaitingDoctor


class LeaveLine(Frozen):
    """A doctor leaves the waiting line.

    `why` is one of these stored values:

    - `started`: the doctor has started a consultation with the patient.
    - `left`: the doctor has stopped waiting.
    - `passed`: the doctor has not used the second offer.
    - `canceled`: the appointment was canceled.
    - `checked_out`: the patient has left without being seen.
    - `moved`: the appointment has another day, doctor or patient.
    """

    change: Literal["leave_line"] = "leave_line"
    place: WaitingDoctor
    why: Literal["started", "left", "passed", "canceled", "checked_out", "moved"]


class OfferPatient(Frozen):
    """Reserve the free patient for this doctor, until `until`.

    With `VISIT_OFFER_SECONDS=0` `until` is None: the doctor is only notified, and `place` has the time.
    `consultation_id` is the consultation that the doctor has paused. Then `place` is no place in the line.
    """

    change: Literal["offer_patient"] = "offer_patient"
    place: WaitingDoctor
    until: datetime | None = None
    consultation_id: str | None = Field(default=None, exclude_if=is_absent)


class EndReservation(Frozen):
    """The patient is no longer reserved for this doctor.

    `why` is one of these stored values:

    - `started`: the appointment was started.
    - `busy`: the doctor has started another appointment of the patient.
    - `expired`: the doctor has not used the offer.
    - `left`: the doctor has left the line, or the appointment was moved, canceled or checked out, or its paused consultation ended.
    - `withdrawn`: the patient is in consultation again, because a completion was taken back.
    - `no_answer`: the patient did not come when called.

    `consultation_id` is the consultation that the doctor has paused, when its offer was not used. The doctor has no place in the line.
    """

    change: Literal["end_reservation"] = "end_reservation"
    reservation: Reservation
    why: Literal["started", "busy", "expired", "left", "withdrawn", "no_answer"]
    consultation_id: str | None = Field(default=None, exclude_if=is_absent)


class MoveDown(Frozen):
    """The doctor has not used an offer, and goes one place down. `next_place` is the doctor who goes up, if there is one."""

    change: Literal["move_down"] = "move_down"
    place: WaitingDoctor
    next_place: WaitingDoctor | None = None


class WithdrawOffer(Frozen):
    """The patient is no longer free. The doctor stays in the line, and `place` has no `notified_at`."""

    change: Literal["withdraw_offer"] = "withdraw_offer"
    place: WaitingDoctor
