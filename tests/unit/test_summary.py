"""What Temporal's UI shows of a visit: the details in words, and the search attributes."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from patient_visit_engine.visit.search_attributes import VisitAttributes, attributes_of
from patient_visit_engine.visit.summary import find_zone, summary
from tests.support.builders import (
    DAY_END,
    DOCTORS,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    PATIENTS,
    X_RAY,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)

PARIS = ZoneInfo("Europe/Paris")
RUNNING = a_consultation(an_appointment(DR_AMRANI))
PARALLEL = a_consultation(an_appointment(DR_SMITH, prestation=X_RAY), started_at=NOON - minutes(5))
RESERVED = a_reservation(DR_LINDQVIST, NOON + minutes(1))


def test_free_patient_is_shown_as_free() -> None:
    details = summary(a_visit(), PARIS)

    assert "The patient is free." in details
    assert f"**Next timer** at {DAY_END.astimezone(PARIS):%Y-%m-%d %H:%M:%S}: end of the hospital day." in details


def test_details_are_in_the_zone_of_the_hospital() -> None:
    visit = a_visit(consultations=[RUNNING], waiting=[DR_OKAFOR], checked_in=[an_appointment(DR_LINDQVIST)])

    details = summary(visit, PARIS)

    noon = NOON.astimezone(PARIS)
    assert f"since {noon:%H:%M:%S}, expected until {noon + minutes(20):%H:%M:%S}." in details
    assert f"Prestation {RUNNING.prestation_id}, appointment {RUNNING.appointment_id}" in details
    assert f"**Waiting, position 1**: doctor {DR_OKAFOR.id}" in details
    assert "**Checked in** for appointment" in details
    assert "The patient is free." not in details
    assert "Times are local (Europe/Paris)." in details


def test_reserved_patient_has_the_end_of_the_reservation() -> None:
    details = summary(a_visit(reservation=RESERVED), UTC)

    until = f"{RESERVED.until.astimezone(UTC):%H:%M:%S}"
    assert f"**Reserved** for doctor {DR_LINDQVIST.id} until {until}." in details
    assert f"**Next timer** at {until}: end of the reservation" in details


def test_details_have_no_names() -> None:
    visit = a_visit(consultations=[RUNNING, PARALLEL], waiting=[DR_OKAFOR], reservation=RESERVED)
    names = [doctor.name for doctor in DOCTORS] + [patient.last_name for patient in PATIENTS]

    assert [name for name in names if name in summary(visit, PARIS)] == []


def test_unknown_zone_is_utc() -> None:
    assert [find_zone(name) for name in ("Mars/Olympus", "", "../etc")] == [UTC, UTC, UTC]


def test_attributes_of_each_state() -> None:
    held = a_visit(consultations=[RUNNING, PARALLEL], waiting=[DR_OKAFOR, DR_LINDQVIST])
    doctor_ids = tuple(sorted(doctor.id for doctor in (DR_AMRANI, DR_SMITH, DR_OKAFOR, DR_LINDQVIST)))

    assert attributes_of(a_visit()) == VisitAttributes("free", (), None, 0)
    assert attributes_of(a_visit(reservation=RESERVED)) == VisitAttributes("reserved", (DR_LINDQVIST.id,), None, 0)
    assert attributes_of(held) == VisitAttributes("in_consultation", doctor_ids, NOON - minutes(5), 2)


def test_parallel_consultation_leaves_the_patient_free() -> None:
    visit = a_visit(consultations=[PARALLEL])

    assert attributes_of(visit) == VisitAttributes("free", (DR_SMITH.id,), NOON - timedelta(minutes=5), 0)
    assert "**In a parallel consultation** with doctor" in summary(visit, UTC)
