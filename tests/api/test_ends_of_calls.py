"""The end of a call: its time is over, its visit says so, or the patient leaves."""

from datetime import timedelta

import pytest

from patient_visit_engine.storage.tables import reservations
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment import Appointment
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, DR_SMITH, seed
from tests.support.calls_of_patients import CALL, CALL_OF_SMITH, MARIA_X_RAY, called, check_in


async def test_call_that_is_over_leaves_room_for_the_next_one(api: ApiDriver) -> None:
    smith = await api.doctor(DR_SMITH.id)
    await check_in(api, JOHN_X_RAY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(minutes=4)

    second = await smith.post(CALL_OF_SMITH)
    await (await api.staff("reception")).post(f"/api/appointments/{JOHN_X_RAY.id}/check-out")
    left = await smith.post(CALL_OF_SMITH)

    assert (called(first), called(second)) == (JOHN_X_RAY.id, JOHN_X_RAY.id)
    assert second.json()["until"] > first.json()["until"]
    assert left.json()["code"] == "nobody_to_call"


async def test_call_ends_when_the_patient_leaves_after_another_service(api: ApiDriver) -> None:
    """John is called for the X-ray without a check-in for it, and leaves. He comes back, and another doctor calls him."""
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    reception = await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    left = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_X_RAY.id)
    second = await doctor.post(CALL)

    assert called(first) == JOHN_X_RAY.id
    assert (left.json()["code"], left.json()["skipped"]) == ("nobody_to_call", [])
    assert called(second) == JOHN_CARDIOLOGY.id
    assert (await api.database.read(audit)).passed


async def test_call_goes_on_when_the_patient_stays_for_another_service(api: ApiDriver) -> None:
    """John is called for the X-ray without a check-in for it. He does not want to wait for the cardiologist."""
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")

    assert (called(first), unanswered.status_code) == (JOHN_X_RAY.id, 200)


@pytest.mark.parametrize(("ends", "is_open"), [("complete", True), ("check-out", False), ("undo", False)])
async def test_call_goes_on_while_the_patient_has_not_left(api: ApiDriver, ends: str, is_open: bool) -> None:
    """John, who is called for the X-ray without a check-in for it, stays for the dermatologist, and is seen, or leaves."""
    smith, okafor = await api.doctor(DR_SMITH.id), await api.doctor(DR_OKAFOR.id)
    reception, of_okafor = await api.staff("reception"), f"/api/appointments/{JOHN_DERMATOLOGY.id}"
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")
    api.clock.advance(seconds=1)
    if ends == "complete":
        started = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
        ended = await okafor.post(f"/api/consultations/{started.json()['id']}/complete")
    elif ends == "check-out":
        ended = await reception.post(f"{of_okafor}/check-out")
    else:
        ended = await reception.delete(f"{of_okafor}/check-in")

    again = await smith.post(CALL_OF_SMITH)

    assert ended.status_code == 200
    expected = (200, first.json()["until"]) if is_open else (409, None)
    assert (again.status_code, again.json().get("until")) == expected


async def test_call_is_over_after_a_check_out_that_is_taken_back(api: ApiDriver) -> None:
    """The patient was checked out of the appointment for which he was called."""
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_X_RAY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    check_out = f"/api/appointments/{JOHN_X_RAY.id}/check-out"
    await reception.post(check_out)
    taken_back = await reception.delete(check_out)

    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")
    again = await smith.post(CALL_OF_SMITH)

    assert (taken_back.status_code, unanswered.json()["code"]) == (200, "not_called")
    assert (called(again), again.json()["until"] > first.json()["until"]) == (JOHN_X_RAY.id, True)


async def test_call_goes_on_when_the_check_out_is_taken_back(api: ApiDriver) -> None:
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    check_out = f"/api/patients/{JOHN_CARDIOLOGY.patient_id}/check-out"
    await reception.post(check_out)

    left = await smith.post(CALL_OF_SMITH)
    taken_back = await reception.delete(check_out)
    again = await smith.post(CALL_OF_SMITH)

    assert (left.json()["code"], taken_back.status_code) == ("nobody_to_call", 200)
    assert (called(first), again.json()["until"]) == (JOHN_X_RAY.id, first.json()["until"])


async def test_call_goes_on_when_the_patient_stays_for_it(api: ApiDriver) -> None:
    """John, who is checked in for the X-ray too, does not want to wait for the cardiologist."""
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_X_RAY.id)
    first = await smith.post(CALL_OF_SMITH)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")

    assert (called(first), unanswered.status_code) == (JOHN_X_RAY.id, 200)


@pytest.mark.parametrize("path", [f"appointments/{JOHN_CARDIOLOGY.id}", f"patients/{JOHN_CARDIOLOGY.patient_id}"])
async def test_check_out_ends_the_call(api: ApiDriver, path: str) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    await doctor.post(CALL)

    await reception.post(f"/api/{path}/check-out")
    await check_in(api, MARIA_CARDIOLOGY.id)
    second = await doctor.post(CALL)

    assert called(second) == MARIA_CARDIOLOGY.id
    assert await api.count(reservations) == 1


@pytest.mark.parametrize(("appointment", "path"), [(JOHN_CARDIOLOGY, CALL), (JOHN_X_RAY, CALL_OF_SMITH)])
async def test_call_is_open_until_its_visit_says_that_it_is_over(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, appointment: Appointment, path: str
) -> None:
    """The clock of the API is ahead of the visit's."""
    doctor, reception = await api.doctor(appointment.doctor_id), await api.staff("reception")
    await api.database.write(seed, MARIA_X_RAY)
    await check_in(api, appointment.id, MARIA_CARDIOLOGY.id, MARIA_X_RAY.id)
    first = await doctor.post(path)
    for urgent in (MARIA_CARDIOLOGY, MARIA_X_RAY):
        await reception.patch(f"/api/appointments/{urgent.id}/priority", json={"priority": 1})
    monkeypatch.setattr(api.visits, "now", lambda: api.clock() - timedelta(seconds=5))
    api.clock.advance(minutes=3, seconds=1)

    same = await doctor.post(path)

    assert (called(same), same.json()["until"]) == (appointment.id, first.json()["until"])


async def test_call_is_over_when_its_visit_says_so(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the API is behind the visit's."""
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    await api.database.write(seed, MARIA_X_RAY)
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id, MARIA_X_RAY.id)
    await smith.post(CALL_OF_SMITH)
    await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    monkeypatch.setattr(api.visits, "now", lambda: api.clock() + timedelta(seconds=5))
    api.clock.advance(minutes=2, seconds=56)

    next_one = await smith.post(CALL_OF_SMITH)

    assert called(next_one) == MARIA_X_RAY.id
