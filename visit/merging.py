"""Two records of one person: what stands after their merge, and when they can be separated. docs/merge.md has the table."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from patient_visit_engine.visit.changes import RestoreRecord, RetireRecord
from patient_visit_engine.visit.decisions import MergeAnswer, Refused, SeparateAnswer, Verdict
from patient_visit_engine.visit.facts import Consultation, Facts, Reservation, WaitingDoctor
from patient_visit_engine.visit.freeing import offer_to_line
from patient_visit_engine.visit.line_changes import OfferPatient
from patient_visit_engine.visit.patient_commands import MergePatients, SeparatePatients
from patient_visit_engine.visit.refusals import AlreadyMerged, MergeCycle, MergeInUse, MergeNotToday, UnknownMerge
from patient_visit_engine.visit.state import VisitState


def merge_patients(command: MergePatients, state: VisitState, now: datetime) -> Verdict:
    """Make the other record part of the visit's patient, with everything that is open for it.

    The same merge again changes nothing, and has the first answer, with the patient who is the survivor now.
    """
    retired, survivor_id = command.retired, state.patient_id
    if retired.id == survivor_id:
        return Refused(refusal=MergeCycle()), ()
    if retired.person_id == survivor_id:
        if (merge := retired.merge) is None:
            return MergeAnswer(patient_id=survivor_id, retired=retired.record_ids), ()
        return _answer(survivor_id, merge.retired, both_in_consultation=merge.both_in_consultation), ()
    if retired.person_id != retired.id:
        return Refused(refusal=AlreadyMerged(survivor_id=retired.person_id)), ()
    facts = combine(state.facts, retired.facts)
    running = _exclusive(facts)
    both = bool(_exclusive(state.facts)) and bool(_exclusive(retired.facts))
    change = RetireRecord(
        retired_id=retired.id,
        record_ids=retired.record_ids,
        line=facts.waiting,
        reservation=facts.reservation,
        marked=tuple(consultation.id for consultation in running) if len(running) > 1 else (),
        both_in_consultation=both,
    )
    answer = _answer(survivor_id, retired.record_ids, both_in_consultation=both)
    return answer, (change, *_offers(state.model_copy(update={"facts": facts}), now))


def _answer(patient_id: int, retired: tuple[int, ...], *, both_in_consultation: bool) -> MergeAnswer:
    return MergeAnswer(patient_id=patient_id, retired=retired, both_in_consultation=both_in_consultation)


def _offers(combined: VisitState, now: datetime) -> tuple[OfferPatient, ...]:
    """A free patient who is not reserved is offered to the line. It may have waited for the consultation of the other record."""
    if _exclusive(combined.facts) or combined.facts.reservation is not None:
        return ()
    return offer_to_line(combined, combined.line(), now)


def combine(facts: Facts, other: Facts) -> Facts:
    """Everything that is open for the person after the merge of two records with these facts.

    Of two reservations the older one stays. While the person is in an exclusive consultation, no reservation stays, and its doctor
    is the first in line.
    """
    combined = Facts(
        in_progress=(*facts.in_progress, *other.in_progress),
        paused=(*facts.paused, *other.paused),
        pending=(*facts.pending, *other.pending),
        waiting=_in_turns(facts.waiting, other.waiting),
    )
    reserved = [reservation for reservation in (facts.reservation, other.reservation) if reservation is not None]
    reserved.sort(key=lambda reservation: (reservation.since, reservation.appointment_id))
    # The doctor of a paused consultation needs no place: the next offer goes to this doctor before the line.
    paused = {consultation.appointment_id for consultation in combined.paused}
    awaited = [reservation for reservation in reserved if reservation.appointment_id not in paused]
    if _exclusive(combined):
        line = _combine_line(combined.waiting, ended=awaited, go_first=True)
        return combined.model_copy(update={"waiting": _not_notified(line)})
    staying = next(iter(reserved), None)
    ended = [reservation for reservation in awaited if reservation is not staying]
    line = _combine_line(combined.waiting, ended=ended, staying=staying)
    line = line if staying is None else _not_notified(line)
    return combined.model_copy(update={"waiting": line, "reservation": staying})


def _not_notified(line: tuple[WaitingDoctor, ...]) -> tuple[WaitingDoctor, ...]:
    """With VISIT_OFFER_SECONDS=0, the doctors were notified of a patient who is not free any more."""
    return tuple(place.model_copy(update={"notified_at": None}) for place in line)


def _in_turns(*lines: Iterable[WaitingDoctor]) -> tuple[WaitingDoctor, ...]:
    """One line of these lines: each time, of the first doctors of all, the one who began to wait first.

    So no doctor passes another one of the same line, also when an unused offer has changed its order.
    """
    rests = [list(line) for line in lines]
    places: list[WaitingDoctor] = []
    while rests := [rest for rest in rests if rest]:
        places.append(min(rests, key=lambda rest: (rest[0].since, rest[0].turn)).pop(0))
    return tuple(places)


def _combine_line(
    places: tuple[WaitingDoctor, ...],
    *,
    ended: list[Reservation],
    staying: Reservation | None = None,
    go_first: bool = False,
) -> tuple[WaitingDoctor, ...]:
    """One line of these places, which are in order. A doctor who is in both lines keeps the earlier place.

    Each doctor of an `ended` reservation has a place. With `go_first` these places come first.
    """
    missing = [_place_of(reservation) for reservation in ended if not _has_place(reservation, places)]
    ordered: Sequence[WaitingDoctor] = _in_turns(places, missing)
    if go_first:
        ranks = {reservation.doctor_id: rank for rank, reservation in reversed(list(enumerate(ended)))}
        ordered = sorted(ordered, key=lambda place: ranks.get(place.doctor_id, len(ranks)))
    line: dict[int, WaitingDoctor] = {}
    for place in ordered:
        line.setdefault(place.doctor_id, place)
    if staying is not None:
        # The line keeps the place for which the reservation was made, because both end together.
        for place in places:
            if place.appointment_id == staying.appointment_id:
                line[place.doctor_id] = place
    return tuple(place.model_copy(update={"turn": turn}) for turn, place in enumerate(line.values(), 1))


def _has_place(reservation: Reservation, places: tuple[WaitingDoctor, ...]) -> bool:
    return any(place.doctor_id == reservation.doctor_id for place in places)


def _place_of(reservation: Reservation) -> WaitingDoctor:
    """A place in line for a doctor who had a reservation and no place."""
    return WaitingDoctor(
        doctor_id=reservation.doctor_id,
        appointment_id=reservation.appointment_id,
        day=reservation.day,
        since=reservation.since,
    )


def _exclusive(facts: Facts) -> tuple[Consultation, ...]:
    return tuple(consultation for consultation in facts.in_progress if consultation.exclusive)


def separate_patients(command: SeparatePatients, state: VisitState, now: datetime) -> Verdict:
    """Undo a merge of this day, while nothing is open for the person."""
    retired = command.retired
    merge = retired.merge
    if merge is None or retired.person_id != state.patient_id:
        return Refused(refusal=UnknownMerge()), ()
    if merge.day != state.day:
        return Refused(refusal=MergeNotToday()), ()
    if not state.facts.is_empty:
        return Refused(refusal=MergeInUse()), ()
    answer = SeparateAnswer(patient_id=state.patient_id, retired=retired.record_ids)
    return answer, (RestoreRecord(restored_id=retired.id, record_ids=retired.record_ids),)
