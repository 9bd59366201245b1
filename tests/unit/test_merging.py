"""What stands after a merge of two records, for each pair of states. The table is in docs/merge.md."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patient_visit_engine.visit.changes import RestoreRecord, RetireRecord
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation
from patient_visit_engine.visit.decisions import Decision, MergeAnswer, PlaceInLine, Refused, SeparateAnswer
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.facts import Consultation, Facts, PendingTracking, Reservation, WaitingDoctor
from patient_visit_engine.visit.line_changes import OfferPatient
from patient_visit_engine.visit.merging import combine
from patient_visit_engine.visit.patient_commands import SeparatePatients
from patient_visit_engine.visit.person_records import SeenRecord, StoredMerge
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.refusals import (
    AlreadyMerged,
    MergeCycle,
    MergeInUse,
    MergeNotToday,
    PatientInConsultation,
    UnknownMerge,
)
from patient_visit_engine.visit.state import Limits, VisitState
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    YESTERDAY,
    Doctor,
    Patient,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_merge, a_separation, a_start, a_wait
from tests.support.layout import ROOT
from tests.support.merge_table import PAIRS, MergedPair

NOTHING_OPEN = Facts()
#: The minutes at which the doctors of a line began to wait.
MINUTES = st.lists(st.integers(0, 9), max_size=5)
#: When the doctors of each record began to wait. Maria's doctor came first.
WAITS_SINCE = {JOHN_DOE: NOON - minutes(5), MARIA_SILVA: NOON - minutes(9)}
LINE_DOCTORS = {JOHN_DOE: DR_AMRANI, MARIA_SILVA: DR_OKAFOR}


def facts_of(patient: Patient, state: str) -> Facts:
    """What is open for the patient in this state of the table."""
    doctor = LINE_DOCTORS[patient]
    appointment = an_appointment(doctor, patient=patient)
    if state == "checked in":
        return Facts(pending=(PendingTracking(appointment_id=appointment.id, day=DAY),))
    if state == "exclusive":
        return Facts(in_progress=(a_consultation(an_appointment(DR_SMITH, patient=patient)),))
    if state == "other":
        return Facts(in_progress=(a_consultation(an_appointment(DR_SMITH, patient=patient, prestation=X_RAY)),))
    place = a_place_for(patient, doctor, WAITS_SINCE[patient])
    if state == "in line":
        return Facts(waiting=(place,))
    return Facts(waiting=(place,), reservation=reserved_for(place)) if state == "offered" else Facts()


def a_place_for(patient: Patient, doctor: Doctor, since: datetime, **fields: Any) -> WaitingDoctor:
    """The place of a doctor who waits for this patient."""
    number = an_appointment(doctor, patient=patient).id
    return WaitingDoctor(doctor_id=doctor.id, appointment_id=number, day=DAY, since=since, turn=1, **fields)


def reserved_for(place: WaitingDoctor) -> Reservation:
    """The patient is reserved for the doctor of this place, a minute after the doctor came."""
    since = place.since + minutes(1)
    return Reservation(
        doctor_id=place.doctor_id, appointment_id=place.appointment_id, day=DAY, since=since, until=NOON + minutes(1)
    )


def a_record(facts: Facts = NOTHING_OPEN, **fields: Any) -> SeenRecord:
    """Maria Silva's record, which is not merged."""
    number = MARIA_SILVA.id
    return SeenRecord(id=number, person_id=number, record_ids=(number,), facts=facts).model_copy(update=fields)


def visit_with(facts: Facts, **options: Any) -> VisitState:
    """The visit of John Doe with these facts."""
    return a_visit(**options).model_copy(update={"facts": facts})


def merge(facts: Facts, other: Facts, **options: Any) -> Decision:
    """Merge Maria Silva's record into John Doe's, with these facts of his and hers."""
    return decide(a_merge(a_record(other)), visit_with(facts, **options), NOON)


def offers_in(decision: Decision) -> list[int]:
    """The doctors who are offered the patient."""
    return [change.place.doctor_id for change in decision.changes if isinstance(change, OfferPatient)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.first}-{pair.second}")
@pytest.mark.parametrize("is_swapped", [False, True], ids=["", "swapped"])
def test_each_pair_of_states(pair: MergedPair, is_swapped: bool) -> None:
    john, maria = facts_of(JOHN_DOE, pair.first), facts_of(MARIA_SILVA, pair.second)

    decision = merge(maria, john) if is_swapped else merge(john, maria)

    change = decision.changes[0]
    assert isinstance(change, RetireRecord)
    combined = combine(maria, john) if is_swapped else combine(john, maria)
    assert (len(combined.in_progress), len(combined.pending)) == (pair.consultations, pair.check_ins)
    assert [(place.doctor_id, place.turn) for place in change.line] == [(d.id, n) for n, d in enumerate(pair.line, 1)]
    assert (change.reservation and change.reservation.doctor_id) == (pair.reserved and pair.reserved.id)
    assert offers_in(decision) == ([] if pair.offered is None else [pair.offered.id])
    assert change.both_in_consultation is (pair[:2] == ("exclusive", "exclusive"))
    assert set(change.marked) == ({c.id for c in combined.in_progress} if change.both_in_consultation else set())


def test_page_has_the_table() -> None:
    page = (ROOT / "docs" / "merge.md").read_text()

    states = {state for pair in PAIRS for state in pair[:2]}
    rows = re.findall(r"^\| ([a-z ]+) \| ([a-z ]+) \| ", page, re.MULTILINE)
    assert [row for row in rows if set(row) <= states] == [pair[:2] for pair in PAIRS]
    assert len(PAIRS) == len(states) * (len(states) + 1) // 2


def test_line_is_in_order_of_waiting() -> None:
    john = Facts(
        waiting=(a_place_for(JOHN_DOE, DR_AMRANI, NOON), a_place_for(JOHN_DOE, DR_LINDQVIST, NOON + minutes(3)))
    )
    maria = Facts(waiting=(a_place_for(MARIA_SILVA, DR_OKAFOR, NOON + minutes(1), unused_offers=1),))

    line = combine(john, maria).waiting

    doctors = [DR_AMRANI.id, DR_OKAFOR.id, DR_LINDQVIST.id]
    assert [(place.doctor_id, place.turn, place.unused_offers) for place in line] == [
        (doctor, turn, 1 if turn == 2 else 0) for turn, doctor in enumerate(doctors, 1)
    ]


def a_line_of(patient: Patient, doctors: Sequence[int], minutes_of_doctors: Sequence[int]) -> tuple[WaitingDoctor, ...]:
    """A line of these doctors, in this order, with the minute at which each of them began to wait."""
    return tuple(
        WaitingDoctor(
            doctor_id=doctor,
            appointment_id=patient.id * 100 + doctor,
            day=DAY,
            since=NOON + minutes(minute),
            turn=turn,
        )
        for turn, (doctor, minute) in enumerate(zip(doctors, minutes_of_doctors, strict=True), 1)
    )


def test_doctor_who_went_down_stays_down() -> None:
    john = a_line_of(JOHN_DOE, [1, 2], [3, 0])
    maria = a_line_of(MARIA_SILVA, [3, 4], [1, 4])

    line = combine(Facts(waiting=john), Facts(waiting=maria)).waiting

    assert [place.doctor_id for place in line] == [3, 1, 2, 4]


@given(john=MINUTES, maria=MINUTES, is_busy=st.booleans())
def test_no_doctor_passes_another_of_the_line(john: list[int], maria: list[int], is_busy: bool) -> None:
    doctors = [range(1, len(john) + 1), range(11, 11 + len(maria))]
    lines = [a_line_of(JOHN_DOE, doctors[0], john), a_line_of(MARIA_SILVA, doctors[1], maria)]
    running = facts_of(JOHN_DOE, "exclusive").in_progress if is_busy else ()

    line = combine(Facts(waiting=lines[0], in_progress=running), Facts(waiting=lines[1])).waiting

    order = [place.doctor_id for place in line]
    assert [[doctor for doctor in order if doctor in before] for before in doctors] == [list(each) for each in doctors]
    assert [place.turn for place in line] == list(range(1, len(john) + len(maria) + 1))


def test_doctor_in_both_lines_keeps_earlier_place() -> None:
    earlier, later = a_place_for(MARIA_SILVA, DR_AMRANI, NOON), a_place_for(JOHN_DOE, DR_AMRANI, NOON + minutes(1))

    assert combine(Facts(waiting=(later,)), Facts(waiting=(earlier,))).waiting == (earlier,)
    # The reservation is for the appointment of the later place, and ends with it.
    reserved = combine(Facts(waiting=(later,), reservation=reserved_for(later)), Facts(waiting=(earlier,)))
    assert [place.appointment_id for place in reserved.waiting] == [later.appointment_id]


def test_doctors_of_ended_reservations_are_first() -> None:
    john, maria = facts_of(JOHN_DOE, "offered"), facts_of(MARIA_SILVA, "offered")
    waits_longest = a_place_for(JOHN_DOE, DR_LINDQVIST, NOON - timedelta(hours=1))
    busy = john.model_copy(
        update={
            "in_progress": facts_of(JOHN_DOE, "exclusive").in_progress,
            "waiting": (waits_longest, *john.waiting),
        }
    )

    combined = combine(busy, maria)

    assert combined.reservation is None
    assert [place.doctor_id for place in combined.waiting] == [DR_OKAFOR.id, DR_AMRANI.id, DR_LINDQVIST.id]


def test_reserved_doctor_without_place_gets_one() -> None:
    reservation = reserved_for(a_place_for(MARIA_SILVA, DR_OKAFOR, NOON))

    combined = combine(facts_of(JOHN_DOE, "exclusive"), Facts(reservation=reservation))

    (place,) = combined.waiting
    assert (place.doctor_id, place.appointment_id, place.since) == (
        DR_OKAFOR.id,
        reservation.appointment_id,
        reservation.since,
    )


def test_line_without_reservations_is_notified_again_when_free() -> None:
    limits = Limits(offer=timedelta(0))
    notified = a_place_for(JOHN_DOE, DR_AMRANI, NOON, notified_at=NOON)
    new = a_place_for(MARIA_SILVA, DR_OKAFOR, NOON + minutes(1))

    free = merge(Facts(waiting=(notified,)), Facts(waiting=(new,)), limits=limits)
    busy = combine(Facts(waiting=(notified,)), facts_of(MARIA_SILVA, "exclusive"))
    # Only a transfer reserves the patient then.
    reserved = combine(Facts(waiting=(notified,)), Facts(reservation=a_reservation(DR_OKAFOR, NOON + minutes(3))))

    assert offers_in(free) == [DR_OKAFOR.id]
    assert [place.notified_at for place in (*busy.waiting, *reserved.waiting)] == [None, None]


def test_marks_all_when_third_record_is_busy() -> None:
    first, second = (a_consultation(an_appointment(doctor)) for doctor in (DR_AMRANI, DR_OKAFOR))

    decision = merge(Facts(in_progress=(first, second)), facts_of(MARIA_SILVA, "exclusive"))

    change = decision.changes[0]
    assert isinstance(change, RetireRecord)
    assert len(change.marked) == 3


def test_only_the_last_end_offers_the_patient() -> None:
    both: list[Consultation] = [a_consultation(an_appointment(doctor)) for doctor in (DR_AMRANI, DR_OKAFOR)]
    visit = a_visit(consultations=both, waiting=[DR_LINDQVIST])

    first = end_and_offer(visit, both[0], Outcome.done, NOON)
    last = end_and_offer(a_visit(consultations=both[1:], waiting=[DR_LINDQVIST]), both[1], Outcome.done, NOON)

    assert first == (EndConsultation(consultation=both[0], outcome=Outcome.done),)
    assert isinstance(last[1], OfferPatient)


def test_same_merge_again_names_the_last_survivor() -> None:
    # The record was merged into another one, and that one into John Doe's.
    earlier = StoredMerge(survivor_id=5, retired=(MARIA_SILVA.id, 7), day=YESTERDAY, both_in_consultation=True)

    decision = decide(a_merge(a_record(person_id=JOHN_DOE.id, merge=earlier)), a_visit(), NOON)

    first = MergeAnswer(patient_id=JOHN_DOE.id, retired=(MARIA_SILVA.id, 7), both_in_consultation=True)
    assert (decision.answer, decision.changes) == (first, ())


@pytest.mark.parametrize("doctor", [DR_SMITH, DR_AMRANI, DR_OKAFOR])
@pytest.mark.parametrize("command", [a_start, a_wait], ids=["start", "wait"])
def test_doctor_of_one_of_two_consultations_is_named_as_holder(doctor: Doctor, command: Any) -> None:
    held = (a_consultation(an_appointment(DR_SMITH)), a_consultation(an_appointment(DR_AMRANI, patient=MARIA_SILVA)))
    state = visit_with(Facts(in_progress=held))

    decision = decide(command(an_appointment(doctor, number=900)), state, NOON)

    if doctor is DR_OKAFOR and command is a_wait:
        assert decision.answer == PlaceInLine(position=1)
    else:
        holder = held[1] if doctor is DR_AMRANI else held[0]
        refusal = PatientInConsultation(holder=holder, is_own=doctor is not DR_OKAFOR)
        assert decision.answer == Refused(refusal=refusal)


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        (a_record(id=JOHN_DOE.id, person_id=JOHN_DOE.id), MergeCycle()),
        (a_record(person_id=5), AlreadyMerged(survivor_id=5)),
    ],
)
def test_merge_is_refused(record: SeenRecord, refusal: MergeCycle | AlreadyMerged) -> None:
    decision = decide(a_merge(record), a_visit(), NOON)

    assert (decision.answer, decision.changes) == (Refused(refusal=refusal), ())


MERGED_TODAY = StoredMerge(survivor_id=JOHN_DOE.id, retired=(MARIA_SILVA.id,), day=DAY, both_in_consultation=False)
MERGED = a_record(person_id=JOHN_DOE.id, merge=MERGED_TODAY)


def test_separates_merge_of_today() -> None:
    decision = decide(a_separation(MERGED), a_visit(), NOON)

    assert decision.answer == SeparateAnswer(patient_id=JOHN_DOE.id, retired=(MARIA_SILVA.id,))
    assert decision.changes == (RestoreRecord(restored_id=MARIA_SILVA.id, record_ids=(MARIA_SILVA.id,)),)


@pytest.mark.parametrize(
    ("command", "state", "refusal"),
    [
        (a_separation(a_record()), a_visit(), UnknownMerge()),
        (a_separation(MERGED.model_copy(update={"person_id": 5})), a_visit(), UnknownMerge()),
        (
            a_separation(MERGED.model_copy(update={"merge": MERGED_TODAY.model_copy(update={"day": YESTERDAY})})),
            a_visit(),
            MergeNotToday(),
        ),
        *(
            (a_separation(MERGED), visit_with(facts_of(JOHN_DOE, state)), MergeInUse())
            for state in ("checked in", "exclusive", "other", "in line")
        ),
    ],
)
def test_separation_is_refused(
    command: SeparatePatients, state: VisitState, refusal: UnknownMerge | MergeNotToday | MergeInUse
) -> None:
    decision = decide(command, state, NOON)

    assert (decision.answer, decision.changes) == (Refused(refusal=refusal), ())
