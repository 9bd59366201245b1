"""A completion by the status of its appointment, asked before the consultation was given away or changed, and decided after it."""

import asyncio
from typing import Any

import pytest

from patient_visit_engine.visit.appointment_commands import SetAppointmentStatus
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR

STATUS = f"/api/appointments/{JOHN_CARDIOLOGY.id}/status"


async def start(api: ApiDriver, doctor_id: int) -> str:
    """This doctor starts the appointment. Returns the path of the consultation."""
    started = await (await api.doctor(doctor_id)).post("/api/consultations", json=start_body(doctor_id=doctor_id))
    assert started.status_code == 201
    return f"/api/consultations/{started.json()['id']}"


async def give(api: ApiDriver, path: str) -> None:
    given = await (await api.doctor()).post(f"{path}/transfer", json={"doctor_id": DR_OKAFOR.id})
    assert given.status_code == 200


async def give_and_start(api: ApiDriver, path: str) -> None:
    await give(api, path)
    await start(api, DR_OKAFOR.id)


async def give_and_complete(api: ApiDriver, path: str) -> None:
    await give_and_start(api, path)
    done = await (await api.doctor(DR_OKAFOR.id)).patch(STATUS, json={"status": "done"})
    assert done.status_code == 200


async def pause_and_resume(api: ApiDriver, path: str) -> None:
    doctor = await api.doctor()
    for call in ("pause", "resume"):
        assert (await doctor.post(f"{path}/{call}")).status_code == 200


async def resume_and_release(api: ApiDriver, path: str) -> None:
    await pause_and_resume(api, path)
    released = await (await api.staff("supervisor")).post(f"{path}/release", json={"reason": "The doctor has left"})
    assert released.status_code == 200


async def release(api: ApiDriver, path: str) -> None:
    released = await (await api.staff("supervisor")).post(f"{path}/release", json={"reason": "The doctor has left"})
    assert released.status_code == 200


async def release_and_start_again(api: ApiDriver, path: str) -> None:
    await release(api, path)
    await start(api, JOHN_CARDIOLOGY.doctor_id)


async def undo_and_start_again(api: ApiDriver, path: str) -> None:
    undone = await (await api.doctor()).post(f"{path}/undo-start")
    assert undone.status_code == 200
    await start(api, JOHN_CARDIOLOGY.doctor_id)


async def give_and_get_back(api: ApiDriver, path: str) -> None:
    await give(api, path)
    path = await start(api, DR_OKAFOR.id)
    given = await (await api.doctor(DR_OKAFOR.id)).post(
        f"{path}/transfer", json={"doctor_id": JOHN_CARDIOLOGY.doctor_id}
    )
    assert given.status_code == 200
    await start(api, JOHN_CARDIOLOGY.doctor_id)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (give, "consultation_changed"),
        (give_and_start, "consultation_changed"),
        (give_and_complete, "consultation_changed"),
        (pause_and_resume, "consultation_changed"),
        (resume_and_release, "consultation_changed"),
        (release, "not_in_consultation"),
        (release_and_start_again, "consultation_changed"),
        (undo_and_start_again, "consultation_changed"),
        (give_and_get_back, "consultation_changed"),
    ],
)
async def test_completion_that_comes_late_says_what_has_changed(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, change: Any, code: str
) -> None:
    doctor = await api.doctor()
    path = await start(api, JOHN_CARDIOLOGY.doctor_id)
    decide, is_sent, goes_on = api.visits.send, asyncio.Event(), asyncio.Event()

    async def keep_first(patient_id: int, day: Any, command: Any, update_id: str) -> Any:
        if isinstance(command, SetAppointmentStatus) and not is_sent.is_set():
            is_sent.set()
            await goes_on.wait()
        return await decide(patient_id, day, command, update_id)

    monkeypatch.setattr(api.visits, "send", keep_first)
    late = asyncio.create_task(doctor.patch(STATUS, json={"status": "done"}))
    await is_sent.wait()

    await change(api, path)
    goes_on.set()
    answer = await late

    assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_repeat_after_a_transfer_says_what_has_changed(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The completion got no answer, and was not carried out."""
    doctor, headers = await api.doctor(), {"Idempotency-Key": "a-late-completion"}
    path = await start(api, JOHN_CARDIOLOGY.doctor_id)
    with monkeypatch.context() as away:
        away.setattr(api.visits, "away", True)
        no_answer = await doctor.patch(STATUS, json={"status": "done"}, headers=headers)
    await give(api, path)

    repeated = await doctor.patch(STATUS, json={"status": "done"}, headers=headers)
    asked_later = await doctor.patch(STATUS, json={"status": "done"})
    by_reception = await (await api.staff("reception")).patch(STATUS, json={"status": "done"})

    assert no_answer.status_code == 503
    assert (repeated.status_code, repeated.json()["code"]) == (409, "consultation_changed")
    assert (asked_later.status_code, asked_later.json()["code"]) == (403, "not_yours")
    assert by_reception.json()["code"] == "not_in_consultation"
