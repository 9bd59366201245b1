"""Patients whose hospital day ends during a test, each with another state and other requests across the change."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from tests.support.day_change import DayChange
from tests.support.engine import CARDIOLOGY, X_RAY, Engine
from tests.support.staff_requests import RECEPTION, StaffAnswer, StaffRequests

#: The moments of the patients are spread over this many seconds after the start of the new day.
MOMENTS = 31
#: How long after the change a start is valid whose doctor does not wait for the answer.
START_VALID_AFTER_CHANGE = timedelta(minutes=15)
#: The doctors with an exclusive appointment with each patient, and the one with an X-ray.
DOCTORS, RADIOLOGIST = range(1, 7), 7


@dataclass
class DayChangePatient(ABC):
    """A patient with appointments of seven doctors. A subclass is one plan: `open` before the change, `cross` around it."""

    number: int
    staff: StaffRequests
    change: DayChange

    @property
    def id(self) -> int:
        """The id, from which the engine takes the patient's moment (see `visit.carry_over`)."""
        return int(CARRY_OVER_WITHIN.total_seconds()) * (1 + self.number) + self.moment

    @property
    def moment(self) -> int:
        plans = len(PLANS)
        return (self.number // plans * 7 + self.number % plans) % MOMENTS

    async def admit(self, engine: Engine) -> None:
        """Write the patient and the appointments into the database."""
        await engine.admit(self.id, {self._appointment(doctor): doctor for doctor in DOCTORS}, CARDIOLOGY)
        await engine.admit(self.id, {self._appointment(RADIOLOGIST): RADIOLOGIST}, X_RAY)

    @abstractmethod
    async def open(self) -> None:
        """Bring the patient into the state in which the old day ends."""

    @abstractmethod
    async def cross(self) -> None:
        """Send the requests of this plan around the change of day, and check each answer."""

    async def start(self, doctor: int) -> StaffAnswer:
        """The doctor starts the consultation."""
        return await self.staff.send(doctor, "/api/consultations", self._start_body(doctor))

    async def start_for_later(self, doctor: int) -> StaffAnswer:
        """The doctor starts the consultation and does not wait for the answer."""
        # By default such a start expires after a minute. On a busy machine the worker may need longer after it was killed.
        body = self._start_body(doctor) | {"valid_until": to_rfc3339(self.change.moment + START_VALID_AFTER_CHANGE)}
        return await self.staff.send_for_later(doctor, "/api/consultations", body)

    async def complete(self, consultation_id: str, doctor: int) -> None:
        """The holder completes the consultation."""
        status, body = await self.staff.send(doctor, f"/api/consultations/{consultation_id}/complete")
        assert (status, body["outcome"]) == (200, "done"), body

    async def extend(self, consultation_id: str, doctor: int) -> None:
        """The holder extends the consultation."""
        status, body = await self.staff.send(doctor, f"/api/consultations/{consultation_id}/extend", {"minutes": 10})
        assert status == 200, body

    async def wait(self, doctor: int) -> int:
        """The doctor joins the waiting line. Returns the position."""
        status, body = await self.staff.send(doctor, f"/api/appointments/{self._appointment(doctor)}/wait")
        assert status == 200, body
        position: int = body["position"]
        return position

    async def check_in(self, doctor: int) -> None:
        """Reception checks the patient in for the doctor's appointment."""
        status, body = await self.staff.send(RECEPTION, f"/api/appointments/{self._appointment(doctor)}/check-in")
        assert status == 201, body

    async def begin(self, doctor: int) -> str:
        """The doctor starts the consultation and must get it. Returns the consultation's id."""
        status, body = await self.start(doctor)
        assert status == 201, body
        consultation_id: str = body["id"]
        return consultation_id

    async def check_refusal(self, doctor: int, code: str) -> None:
        """The doctor starts the consultation and must be refused with this code."""
        status, body = await self.start(doctor)
        assert (status, body.get("code")) == (409, code), body

    async def wait_for_turn(self) -> None:
        """Wait until this patient's requests are due: before the change, at it, at the patient's moment, or later."""
        turn = (-3.0, 0.0, float(self.moment), self.moment + 5.0)[self.number // len(PLANS) % 4]
        await self.change.wait_until(turn + Random(self.id).uniform(-0.5, 0.5))

    def _start_body(self, doctor: int) -> dict[str, Any]:
        return {"appointment_id": self._appointment(doctor), "patient_id": self.id, "doctor_id": doctor}

    def _appointment(self, doctor: int) -> int:
        return self.id * 10 + doctor


class InConsultation(DayChangePatient):
    """Stays in consultation. A second doctor is refused, and the holder extends."""

    async def open(self) -> None:
        self.consultation_id = await self.begin(1)
        # Without the check-in, the second appointment is one of another day after the change.
        await self.check_in(2)

    async def cross(self) -> None:
        await self.wait_for_turn()
        await asyncio.gather(self.check_refusal(2, "patient_in_consultation"), self.extend(self.consultation_id, 1))


class Completed(DayChangePatient):
    """The holder of the old day completes, and the line is served in its order."""

    async def open(self) -> None:
        self.consultation_id = await self.begin(1)
        await self.wait(2)
        await self.wait(3)

    async def cross(self) -> None:
        await self.wait_for_turn()
        await self.complete(self.consultation_id, 1)
        await self.check_refusal(3, "patient_reserved")
        await self.begin(2)


class Raced(DayChangePatient):
    """Is checked in for two doctors, who start at the same moment. One of them gets the patient."""

    async def open(self) -> None:
        await self.check_in(1)
        await self.check_in(2)

    async def cross(self) -> None:
        await self.wait_for_turn()
        answers = await asyncio.gather(self.start(1), self.start(2))
        assert sorted(answer.status for answer in answers) == [201, 409], answers


class WithGrowingLine(DayChangePatient):
    """Is in consultation. A further doctor joins the line, and reception checks in for another one."""

    async def open(self) -> None:
        await self.begin(1)
        await self.wait(2)
        await self.wait(3)
        await self.check_in(4)

    async def cross(self) -> None:
        await self.wait_for_turn()
        position, _ = await asyncio.gather(self.wait(5), self.check_in(6))
        assert position == 3


class Offered(DayChangePatient):
    """Is free and reserved for the first doctor in line. The second doctor is refused."""

    async def open(self) -> None:
        consultation_id = await self.begin(1)
        await self.wait(2)
        await self.wait(3)
        await self.complete(consultation_id, 1)

    async def cross(self) -> None:
        await self.wait_for_turn()
        await self.check_refusal(3, "patient_reserved")


class InTwoRooms(DayChangePatient):
    """Is in an exclusive consultation and in the X-ray, which ends."""

    async def open(self) -> None:
        await self.begin(1)
        self.x_ray_id = await self.begin(RADIOLOGIST)
        await self.wait(2)

    async def cross(self) -> None:
        await self.wait_for_turn()
        await self.complete(self.x_ray_id, RADIOLOGIST)


class StartedForLater(DayChangePatient):
    """Is checked in. A start that is only accepted before the change is decided later."""

    async def open(self) -> None:
        await self.check_in(1)

    async def cross(self) -> None:
        await self.change.wait_until(-Random(self.id).uniform(0.0, 5.0))
        status, body = await self.start_for_later(1)
        assert status == 201, body


class QuietAndBusy(DayChangePatient):
    """Has everything open at the same time. Across the change no request comes."""

    async def open(self) -> None:
        await self.begin(1)
        await self.begin(RADIOLOGIST)
        await self.wait(2)
        await self.wait(3)
        await self.check_in(4)

    async def cross(self) -> None:
        """Send nothing: the sweep serves the patient."""


class QuietAndCheckedIn(DayChangePatient):
    """Is checked in only. Across the change no request comes."""

    async def open(self) -> None:
        await self.check_in(1)

    async def cross(self) -> None:
        """Send nothing: the sweep serves the patient."""


PLANS: tuple[type[DayChangePatient], ...] = (
    InConsultation,
    Completed,
    Raced,
    WithGrowingLine,
    Offered,
    InTwoRooms,
    StartedForLater,
    QuietAndBusy,
    QuietAndCheckedIn,
)
QUIET_PLANS = (QuietAndBusy, QuietAndCheckedIn)
