"""Calls of prestations that are not exclusive: they reserve nothing."""

from typing import Any

from patient_visit_engine.storage.tables import reservations
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR, DR_SMITH
from tests.support.calls_of_patients import CALL, CALL_OF_SMITH, called, check_in


def calls_in(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows with an open call that reserves nothing."""
    rows = ((item["appointment_id"], item["called_until"], item["called_elsewhere"]) for item in items)
    return [row for row in rows if any(row[1:])]


async def test_not_exclusive_prestation_is_called_without_reservation(api: ApiDriver) -> None:
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id)

    first, again = await smith.post(CALL_OF_SMITH), await smith.post(CALL_OF_SMITH)
    rows = await api.count(reservations)
    refused_other = await doctor.post(CALL)
    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")
    other = await doctor.post(CALL)
    refused_call = await smith.post(CALL_OF_SMITH)

    assert (called(first), rows) == (JOHN_X_RAY.id, 0)
    assert again.json() == first.json()
    reserved = [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_reserved"}]
    assert (refused_other.json()["skipped"], refused_other.json()["next_at"]) == (reserved, first.json()["until"])
    assert called(other) == JOHN_CARDIOLOGY.id, "the first call is over"
    assert unanswered.json()["no_answers"] == 1
    assert refused_call.json()["skipped"] == [{"appointment_id": JOHN_X_RAY.id, "reason": "patient_reserved"}]


async def test_worklist_shows_calls_that_reserve_nothing(api: ApiDriver) -> None:
    smith = await api.doctor(DR_SMITH.id)
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    until = (await smith.post(CALL_OF_SMITH)).json()["until"]

    of_smith = (await api.read_worklist(f"?doctor_id={DR_SMITH.id}"))["items"]
    of_amrani = (await api.read_worklist(f"?doctor_id={DR_AMRANI.id}"))["items"]
    skipped = await (await api.doctor()).post(CALL)
    another_day = (await api.read_worklist("?date=2026-03-03"))["items"]
    api.clock.advance(minutes=3)
    over = (await api.read_worklist())["items"]

    by_smith = {"doctor_id": DR_SMITH.id, "name": DR_SMITH.name, "until": until}
    assert calls_in(of_smith) == [(JOHN_X_RAY.id, until, None)]
    assert calls_in(of_amrani) == [(JOHN_CARDIOLOGY.id, None, by_smith)]
    assert skipped.json()["skipped"] == [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_reserved"}]
    assert (calls_in(another_day), calls_in(over)) == ([], [])


async def test_doctor_with_an_offer_waits_for_the_end_of_a_call_that_reserves_nothing(api: ApiDriver) -> None:
    smith, okafor, doctor = await api.doctor(DR_SMITH.id), await api.doctor(DR_OKAFOR.id), await api.doctor()
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id)
    until = (await smith.post(CALL_OF_SMITH)).json()["until"]
    started = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY, wait=True))
    await okafor.post(f"/api/consultations/{started.json()['id']}/complete")

    refused_call = await doctor.post(CALL)
    [item] = (await api.read_worklist(f"?doctor_id={DR_AMRANI.id}&status=pending"))["items"]

    assert refused_call.json()["skipped"] == [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_reserved"}]
    assert refused_call.json()["next_at"] == until
    assert (item["patient"]["kind"], item["called_elsewhere"]["until"]) == ("offered", until)


async def test_not_exclusive_call_blocks_no_start(api: ApiDriver) -> None:
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id)
    await smith.post(CALL_OF_SMITH)

    started = await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))

    assert started.status_code == 201
