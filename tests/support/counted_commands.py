"""Each command of the API, with what has to happen before it. `tests/workflow/test_costs.py` measures them."""

from collections.abc import Awaitable, Callable
from functools import partial

import httpx

from patient_visit_engine.api.dependencies import clock
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.counted_engine import (
    FIRST_DOCTOR,
    RECEPTION,
    SECOND_DOCTOR,
    SUPERVISOR,
    CountedEngine,
    appointment_id,
)

#: Added to the id of a patient, for another patient of the same doctor.
OTHER_PATIENTS = 1_000_000


class CountedVisit:
    """Sends the commands of one patient's visit. Each checks the status of its answer."""

    def __init__(self, engine: CountedEngine, patient: int) -> None:
        self._engine = engine
        self.patient = patient
        self._consultation = ""
        self._visit_of_other_patient: CountedVisit | None = None
        self._is_called = False

    async def start(self, *, doctor: int = FIRST_DOCTOR, status: int = 201, prefer: str = "") -> None:
        """A doctor starts the consultation."""
        body = {
            "appointment_id": appointment_id(self.patient, doctor),
            "patient_id": self.patient,
            "doctor_id": doctor,
        }
        headers = {"Prefer": prefer} if prefer else {}
        answer = await self._send(doctor, "POST", "/api/consultations", status, json=body, headers=headers)
        if status == 201:
            self._consultation = answer.json()["id"]

    async def change(self, action: str, *, by: object = FIRST_DOCTOR, **body: object) -> None:
        """The holder, or `by`, completes, extends or releases the consultation."""
        await self._send(by, "POST", f"/api/consultations/{self._consultation}/{action}", 200, json=body)

    async def check_in(self) -> None:
        """Reception checks the patient in for the first doctor."""
        await self._on_appointment(RECEPTION, FIRST_DOCTOR, "POST", "check-in", 201)

    async def check_out(self) -> None:
        """Reception checks the patient out."""
        await self._on_appointment(RECEPTION, FIRST_DOCTOR, "POST", "check-out", 200)

    async def cancel(self) -> None:
        """Reception cancels the second doctor's appointment."""
        await self._on_appointment(RECEPTION, SECOND_DOCTOR, "PATCH", "status", 200, json={"status": "canceled"})

    async def feed(self) -> None:
        """The hospital's own system gives the first doctor's appointment another time."""
        body = {
            "patient_id": self.patient,
            "doctor_id": FIRST_DOCTOR,
            "prestation_id": 1,
            "scheduled_at": to_rfc3339(clock()),
        }
        path = f"/api/appointments/{appointment_id(self.patient, FIRST_DOCTOR)}"
        await self._send(SUPERVISOR, "PUT", path, 200, json=body)

    async def join_line(self) -> None:
        """The second doctor takes a place in the waiting line."""
        await self._on_appointment(SECOND_DOCTOR, SECOND_DOCTOR, "POST", "wait", 200)

    async def check_in_patient(self) -> None:
        """Reception checks the patient in for all appointments of the day."""
        await self._send(RECEPTION, "POST", f"/api/patients/{self.patient}/check-in", 200)

    async def check_out_patient(self) -> None:
        """Reception checks the patient out."""
        await self._send(RECEPTION, "POST", f"/api/patients/{self.patient}/check-out", 200)

    async def walk_in(self) -> None:
        """Reception adds an appointment with the second doctor for the patient, who is here."""
        body = {"patient_id": self.patient, "doctor_id": SECOND_DOCTOR, "prestation_id": 1}
        await self._send(RECEPTION, "POST", "/api/walk-ins", 201, json=body)

    async def give_reason(self) -> None:
        """Reception cancels the second doctor's appointment with a reason."""
        await self._on_appointment(RECEPTION, SECOND_DOCTOR, "POST", "cancel", 200, json={"reason": "no_show"})

    async def undo_cancel(self) -> None:
        """Reception takes the cancellation back."""
        await self._on_appointment(RECEPTION, SECOND_DOCTOR, "DELETE", "cancel", 200)

    async def make_urgent(self) -> None:
        """The patient is the first one of the first doctor's list."""
        await self._on_appointment(RECEPTION, FIRST_DOCTOR, "PATCH", "priority", 200, json={"priority": 1})

    async def call_next(self) -> None:
        """The first doctor calls the next patient, who is this one."""
        answer = await self._send(FIRST_DOCTOR, "POST", f"/api/doctors/{FIRST_DOCTOR}/call-next", 200)
        assert answer.json()["patient_id"] == self.patient
        self._is_called = True

    async def note_no_answer(self) -> None:
        """The called patient does not come."""
        await self._on_appointment(FIRST_DOCTOR, FIRST_DOCTOR, "POST", "no-answer", 200)

    async def leave_line(self) -> None:
        """The second doctor leaves the waiting line."""
        await self._on_appointment(SECOND_DOCTOR, SECOND_DOCTOR, "DELETE", "wait", 204)

    async def occupy_doctor(self) -> None:
        """The first doctor starts the consultation of another patient."""
        other = CountedVisit(self._engine, self.patient + OTHER_PATIENTS)
        await self._engine.admit(other.patient)
        await other.start()
        self._visit_of_other_patient = other

    async def free_doctor(self) -> None:
        """End the first doctor's consultations: a busy doctor makes the start of the next patient dearer."""
        if self._visit_of_other_patient is not None:
            await self._visit_of_other_patient.free_doctor()
        if self._is_called:
            await self.check_out()
        path = f"/api/appointments/{appointment_id(self.patient, FIRST_DOCTOR)}/status"
        answer = await self._engine.send(FIRST_DOCTOR, "PATCH", path, json={"status": "done"})
        # After a transfer it is the second doctor's appointment, and nothing is in progress.
        assert answer.status_code in (200, 403, 409), answer.text

    async def _on_appointment(
        self, by: object, doctor: int, method: str, action: str, status: int, **content: object
    ) -> None:
        path = f"/api/appointments/{appointment_id(self.patient, doctor)}/{action}"
        await self._send(by, method, path, status, **content)

    async def _send(self, by: object, method: str, path: str, status: int, **content: object) -> httpx.Response:
        answer = await self._engine.send(by, method, path, **content)
        assert answer.status_code == status, answer.text
        return answer


Step = Callable[[CountedVisit], Awaitable[None]]
START: Step = CountedVisit.start
BLOCKED_START: Step = partial(CountedVisit.start, doctor=SECOND_DOCTOR, status=409)

#: Each command with the steps before it. The visit is open before every command except the first two and `start, fresh`.
COMMANDS: dict[str, tuple[tuple[Step, ...], Step]] = {
    "check-in": ((), CountedVisit.check_in),
    "start, fresh": ((), START),
    "start, later": ((), partial(CountedVisit.start, status=202, prefer="respond-async")),
    "start, known": ((CountedVisit.check_in,), START),
    "start, busy doctor": ((CountedVisit.check_in, CountedVisit.occupy_doctor), START),
    "start, blocked": ((START,), BLOCKED_START),
    "complete": ((START,), partial(CountedVisit.change, action="complete")),
    "extend": ((START,), partial(CountedVisit.change, action="extend", minutes=10)),
    "release": ((START,), partial(CountedVisit.change, action="release", by=SUPERVISOR, reason="forgotten")),
    "pause": ((START,), partial(CountedVisit.change, action="pause")),
    "resume": ((START, partial(CountedVisit.change, action="pause")), partial(CountedVisit.change, action="resume")),
    "transfer": ((START,), partial(CountedVisit.change, action="transfer", doctor_id=SECOND_DOCTOR)),
    "undo start": ((CountedVisit.check_in, START), partial(CountedVisit.change, action="undo-start")),
    "reopen": (
        (START, partial(CountedVisit.change, action="complete")),
        partial(CountedVisit.change, action="reopen"),
    ),
    "cancel": ((CountedVisit.check_in,), CountedVisit.give_reason),
    "undo cancel": ((CountedVisit.check_in, CountedVisit.give_reason), CountedVisit.undo_cancel),
    "patient check-in": ((), CountedVisit.check_in_patient),
    "patient check-out": ((CountedVisit.check_in_patient,), CountedVisit.check_out_patient),
    "walk-in": ((CountedVisit.check_in,), CountedVisit.walk_in),
    "check-out": ((CountedVisit.check_in,), CountedVisit.check_out),
    "status": ((CountedVisit.check_in,), CountedVisit.cancel),
    "feed, direct": ((), CountedVisit.feed),
    "feed, checked in": ((CountedVisit.check_in,), CountedVisit.feed),
    "call next": ((CountedVisit.check_in, CountedVisit.make_urgent), CountedVisit.call_next),
    "no answer": (
        (CountedVisit.check_in, CountedVisit.make_urgent, CountedVisit.call_next),
        CountedVisit.note_no_answer,
    ),
    "join line": ((START,), CountedVisit.join_line),
    "leave line": ((START, CountedVisit.join_line), CountedVisit.leave_line),
}
