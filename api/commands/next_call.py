"""Calls the next patient of a doctor's list: it tries one after the other, until the visit of one of them grants the call."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request as HttpRequest
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.commands.undecided import Undecided, UndecidedReason, UnsentCall
from patient_visit_engine.api.dependencies import Dependencies
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.api.schema.bodies import CallNext
from patient_visit_engine.storage.screens.callable_patients import NOT_PRESENT, CallList, ListedPatient, read_call_list
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.call_commands import CallPatient, SkippedPatient
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.refusals import DoctorHasCall
from patient_visit_engine.visit.request import Request

#: How often the list is read, because another call of the doctor came first, or because the clocks of API and visit differ.
MAX_READINGS = 5
#: The skipped patients that an answer lists at most.
MAX_SKIPPED = 100


@dataclass(frozen=True)
class NextCall:
    """One call of `call-next`. The answer is stored by the visit that grants it, and by no one else."""

    dependencies: Dependencies
    http: HttpRequest
    request: Request
    doctor_id: int
    body: CallNext

    async def run(self) -> Response:
        """Call the first patient who can be called.

        Raises Problem 409 `nobody_to_call`, which is not stored, and Undecided. Then a repeat with the same key finds what stands.
        """
        is_open: bool | None = None
        for _ in range(MAX_READINGS):
            listed = await self.dependencies.dispatcher.read_snapshot(self.http, self.body, self._read)
            answer = await self._call_first(listed, self._open_call(listed.call, is_open))
            if isinstance(answer, Response):
                return answer
            is_open = answer == DoctorHasCall().code
        raise Undecided(UndecidedReason.too_slow, UnsentCall(self.http.url.path, {"doctor_id": self.doctor_id}))

    def _read(self, connection: Connection) -> CallList:
        calendar, today = self.dependencies.settings.calendar, self.dependencies.today()
        listed = read_call_list(connection, self.doctor_id, calendar.hospital_day(today), self.dependencies.now())
        if listed is None:
            raise NotFound("doctor")
        return listed

    def _open_call(self, call: DoctorCall, is_open: bool | None) -> int | None:
        """The appointment of the doctor's open call. `is_open` is what a visit has said: its clock may differ from this one."""
        if is_open is None:
            return call.open_appointment(self.dependencies.now())
        return call.appointment_id if is_open and call.is_kept else None

    async def _call_first(self, listed: CallList, called_id: int | None) -> Response | str:
        """The answer of the visit that grants the call. A code when the doctor's call is not what was expected: read the list again."""
        skipped: list[SkippedPatient] = []
        for patient in self._candidates(listed, called_id):
            reason = patient.reason
            if reason is None or patient.appointment.id == called_id:
                answer = await self._attempt(patient, listed, skipped)
                if isinstance(answer, Response):
                    return answer
                if called_id is not None or answer == DoctorHasCall().code:
                    return answer
                reason = answer
            skipped.append(SkippedPatient(appointment_id=patient.appointment.id, reason=reason))
        raise self._no_patient(listed, skipped)

    def _candidates(self, listed: CallList, called_id: int | None) -> list[ListedPatient]:
        """The patients in the order in which they are tried. While the doctor has an open call, only that patient."""
        if called_id is not None:
            return [patient for patient in listed.patients if patient.appointment.id == called_id]
        prestation_ids = self.body.prestation_ids
        present = (patient for patient in listed.patients if patient.reason != NOT_PRESENT)
        return [
            patient
            for patient in present
            if prestation_ids is None or patient.appointment.prestation_id in prestation_ids
        ]

    async def _attempt(self, patient: ListedPatient, listed: CallList, skipped: list[SkippedPatient]) -> Response | str:
        command = CallPatient(
            request=self.request,
            appointment=patient.appointment,
            call=listed.call,
            skipped=tuple(skipped[:MAX_SKIPPED]),
        )
        return await self.dependencies.dispatcher.dispatch_attempt(command, self.dependencies.today())

    def _no_patient(self, listed: CallList, skipped: list[SkippedPatient]) -> Problem:
        skipped_ids = {each.appointment_id for each in skipped}
        ends = [patient.free_at for patient in listed.patients if patient.appointment.id in skipped_ids]
        next_at = min((end for end in ends if end is not None and end > self.dependencies.now()), default=None)
        return Problem(
            409,
            "nobody_to_call",
            "No patient of the list is in the house and free",
            next_at=_moment(next_at),
            skipped=[each.model_dump() for each in skipped[:MAX_SKIPPED]],
        )


def _moment(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)
