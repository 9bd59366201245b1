"""Who is called when a busy patient becomes free, and who is not."""

from datetime import timedelta

from patient_visit_engine.visit.decisions import (
    ConsultationStands,
    Decision,
    LeaveLine,
    NotInLine,
    OfferPatient,
    PlaceInLine,
    Refused,
    WithdrawOffer,
)
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import Limits, VisitState, WaitingDoctor
from patient_visit_engine.visit.timers import decide_due
from patient_visit_engine.wire.events import events_of
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    MIDNIGHT,
    NOON,
    X_RAY,
    YESTERDAY,
    a_consultation,
    a_place,
    a_visit,
    an_appointment,
    an_event_context,
    minutes,
)
from tests.support.commands import a_completion, a_leave, a_start, a_wait

WITH_SMITH = a_consultation(an_appointment(DR_SMITH))
A_MINUTE_ON = NOON + minutes(1)
NOTHING_RESERVED = Limits(offer=timedelta(0))


def offered(decision: Decision | None) -> list[int]:
    """The doctors who are told that the patient is free."""
    assert decision is not None
    return [change.place.doctor_id for change in decision.changes if isinstance(change, OfferPatient)]


def left(decision: Decision | None) -> list[tuple[int, str]]:
    """The doctors who leave the line, and why."""
    assert decision is not None
    return [(change.place.doctor_id, change.why) for change in decision.changes if isinstance(change, LeaveLine)]


def with_line(visit: VisitState, *line: WaitingDoctor) -> VisitState:
    """The same visit with this line."""
    return visit.model_copy(update={"facts": visit.facts.model_copy(update={"waiting": line})})


def test_the_first_who_came_is_offered_the_patient_for_a_minute() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(visit, a_completion(WITH_SMITH), NOON)

    _, offer = decision.changes
    assert isinstance(offer, OfferPatient)
    assert offer.place == visit.line()[0].model_copy(update={"offered_until": A_MINUTE_ON})


def test_the_end_of_an_x_ray_offers_nothing() -> None:
    x_ray = a_consultation(an_appointment(DR_LINDQVIST, prestation=X_RAY))
    visit = a_visit(consultations=[WITH_SMITH, x_ray], waiting=[DR_OKAFOR])

    assert offered(decide(visit, a_completion(x_ray), NOON)) == []


def test_a_doctor_has_one_place_however_often_asked() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(visit, a_wait(an_appointment(DR_AMRANI)), NOON)

    assert decision.answer == PlaceInLine(position=2)
    assert decision.changes == ()


def test_one_may_wait_behind_a_doctor_to_whom_the_patient_is_offered() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=A_MINUTE_ON)])

    assert decide(visit, a_wait(an_appointment(DR_AMRANI)), NOON).answer == PlaceInLine(position=2)


def test_an_unused_offer_takes_its_doctor_out_and_passes_to_the_next() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=A_MINUTE_ON), DR_AMRANI])

    assert decide_due(visit, A_MINUTE_ON - timedelta(milliseconds=1)) is None
    decision = decide_due(visit, A_MINUTE_ON)

    assert left(decision) == [(DR_OKAFOR.id, "passed")]
    assert offered(decision) == [DR_AMRANI.id]


def test_a_start_that_comes_before_the_timer_does_not_jump_the_line() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=NOON), DR_AMRANI])

    decision = decide(visit, a_start(an_appointment(DR_LINDQVIST), wait=True), A_MINUTE_ON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert decision.answer.refusal.doctor_id == DR_AMRANI.id
    assert decision.answer.refusal.position == 2
    assert left(decision) == [(DR_OKAFOR.id, "passed")]
    assert offered(decision) == [DR_AMRANI.id]


def test_a_doctor_whose_offer_has_run_out_may_still_start_when_nobody_else_waits() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=NOON)])

    decision = decide(visit, a_start(an_appointment(DR_OKAFOR)), A_MINUTE_ON)

    assert isinstance(decision.answer, ConsultationStands)
    assert left(decision) == [(DR_OKAFOR.id, "started")]


def test_the_doctor_who_was_offered_the_patient_starts_and_leaves_the_line() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=A_MINUTE_ON), DR_AMRANI])

    decision = decide(visit, a_start(an_appointment(DR_OKAFOR)), NOON)

    assert isinstance(decision.answer, ConsultationStands)
    assert left(decision) == [(DR_OKAFOR.id, "started")]
    assert offered(decision) == []


def test_a_reserved_patient_is_refused_to_others_until_the_offer_ends() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=A_MINUTE_ON)])

    decision = decide(visit, a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert (decision.answer.refusal.doctor_id, decision.answer.refusal.until) == (DR_OKAFOR.id, A_MINUTE_ON)


def test_an_x_ray_of_a_reserved_patient_may_start() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=A_MINUTE_ON)])

    decision = decide(visit, a_start(an_appointment(DR_AMRANI, prestation=X_RAY)), NOON)

    assert isinstance(decision.answer, ConsultationStands)
    assert left(decision) == []


def test_whoever_comes_in_the_moment_before_the_line_is_served_does_not_go_first() -> None:
    visit = a_visit(waiting=[DR_OKAFOR])

    decision = decide(visit, a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_reserved"
    assert offered(decision) == [DR_OKAFOR.id]


def test_leaving_with_an_open_offer_passes_it_on() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=A_MINUTE_ON), DR_AMRANI])

    decision = decide(visit, a_leave(an_appointment(DR_OKAFOR)), NOON)

    assert decision.answer == NotInLine()
    assert left(decision) == [(DR_OKAFOR.id, "left")]
    assert offered(decision) == [DR_AMRANI.id]


def test_leaving_while_the_patient_is_busy_offers_nothing() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI])

    decision = decide(visit, a_leave(an_appointment(DR_OKAFOR)), NOON)

    assert left(decision) == [(DR_OKAFOR.id, "left")]
    assert offered(decision) == []


def test_leaving_a_line_one_is_not_in_changes_nothing() -> None:
    decision = decide(a_visit(), a_leave(an_appointment(DR_OKAFOR)), NOON)

    assert (decision.answer, decision.changes) == (NotInLine(), ())


def test_the_days_end_empties_the_line() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=MIDNIGHT + minutes(1)), DR_AMRANI])

    decision = decide_due(visit, MIDNIGHT)

    assert left(decision) == [(DR_OKAFOR.id, "day_over"), (DR_AMRANI.id, "day_over")]
    assert offered(decision) == []


def test_a_line_whose_day_is_over_is_not_called_when_its_consultation_ends() -> None:
    late = a_consultation(an_appointment(DR_SMITH), started_at=MIDNIGHT - minutes(5))

    decision = decide(a_visit(consultations=[late], waiting=[DR_OKAFOR]), a_completion(late), MIDNIGHT)

    assert offered(decision) == []


def test_yesterdays_offer_reserves_nothing_today() -> None:
    stale = a_place(DR_OKAFOR, day=YESTERDAY, offered_until=A_MINUTE_ON)
    visit = with_line(a_visit(), stale)

    decision = decide(visit, a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, ConsultationStands)
    assert left(decision) == [(DR_OKAFOR.id, "passed")]


def test_one_start_takes_a_doctor_out_of_two_days_lines_and_tells_both_apart() -> None:
    visit = with_line(a_visit(), a_place(DR_AMRANI, day=YESTERDAY), a_place(DR_AMRANI, day=DAY))

    decision = decide(visit, a_start(an_appointment(DR_AMRANI)), NOON)

    keys = [event.dedup_key for change in decision.changes for event in events_of(change, an_event_context())]
    assert left(decision) == [(DR_AMRANI.id, "started"), (DR_AMRANI.id, "started")]
    assert len(set(keys)) == len(keys) == 3


def test_with_nothing_reserved_all_who_wait_are_told_and_the_first_to_start_wins() -> None:
    visit = a_visit(consultations=[WITH_SMITH], waiting=[DR_OKAFOR, DR_AMRANI], limits=NOTHING_RESERVED)

    ended = decide(visit, a_completion(WITH_SMITH), NOON)
    told = tuple(change.place for change in ended.changes if isinstance(change, OfferPatient))
    free = with_line(a_visit(limits=NOTHING_RESERVED), *told)
    won = decide(free, a_start(an_appointment(DR_AMRANI)), NOON)

    assert offered(ended) == [DR_OKAFOR.id, DR_AMRANI.id]
    assert decide_due(free, NOON + minutes(30)) is None
    assert isinstance(won.answer, ConsultationStands)
    assert left(won) == [(DR_AMRANI.id, "started")]


def test_with_nothing_reserved_those_who_lost_are_told_again_the_next_time() -> None:
    told = (a_place(DR_OKAFOR, offered_until=NOON), a_place(DR_AMRANI, offered_until=NOON))
    won = decide(with_line(a_visit(limits=NOTHING_RESERVED), *told), a_start(an_appointment(DR_AMRANI)), NOON)

    (withdrawn,) = (change.place for change in won.changes if isinstance(change, WithdrawOffer))
    busy = with_line(a_visit(consultations=[WITH_SMITH], limits=NOTHING_RESERVED), withdrawn)

    assert withdrawn.doctor_id == DR_OKAFOR.id
    assert offered(decide(busy, a_completion(WITH_SMITH), A_MINUTE_ON)) == [DR_OKAFOR.id]
