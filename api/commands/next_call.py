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
#: So many visits may give no answer. Each of them gets its share of the time of a call, and then the next patient is tried.
MAX_SILENT = 4
#: The reason for a patient whose visit gave no answer.
UNDECIDED = "undecided"
#: No other visit gives an answer either.
AWAY_FOR_ALL = (UndecidedReason.temporal_away, UndecidedReason.ledger_away)
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
        silent: dict[int, Undecided] = {}
        for _ in range(MAX_READINGS):
            listed = await self.dependencies.dispatcher.read_snapshot(self.http, self.body, self._read)
            answer = await self._call_first(listed, self._open_call(listed.call, is_open), silent)
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

    async def _call_first(
        self, listed: CallList, called_id: int | None, silent: dict[int, Undecided]
    ) -> Response | str:
        """The answer of the visit that grants the call. A code when the doctor's call is not what was expected: read the list again.

        `silent` has the patients whose visits have given no answer.
        """
        skipped: list[SkippedPatient] = []
        for patient in self._candidates(listed, called_id):
            reason = patient.reason
            if reason is None or patient.appointment.id == called_id:
                answer = await self._attempt(patient, listed, skipped, silent)
                if answer == UNDECIDED and (called_id is not None or len(silent) >= MAX_SILENT):
                    break
                if isinstance(answer, Response):
                    return answer
                if called_id is not None or answer == DoctorHasCall().code:
                    return answer
                reason = answer
            skipped.append(SkippedPatient(appointment_id=patient.appointment.id, reason=reason))
        raise next(iter(silent.values()), None) or await self._no_patient(listed, skipped)

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

    async def _attempt(
        self, patient: ListedPatient, listed: CallList, skipped: list[SkippedPatient], silent: dict[int, Undecided]
    ) -> Response | str:
        """The visit's answer, or the code of its refusal. A visit without an answer may grant the call later.

        This does no harm: the answer is stored under the key once, and the ledger compares the doctor's call.
        """
        if (person_id := patient.appointment.patient_id) in silent:
            return UNDECIDED
        command = CallPatient(
            request=self.request,
            appointment=patient.appointment,
            call=listed.call,
            skipped=tuple(skipped[:MAX_SKIPPED]),
        )
        within = self.dependencies.settings.decision_timeout / MAX_SILENT
        try:
            return await self.dependencies.dispatcher.dispatch_attempt(command, self.dependencies.today(), within)
        except Undecided as error:
            if error.reason in AWAY_FOR_ALL:
                raise
            silent[person_id] = error
            self.dependencies.undecided_reports.look_at(error)
            return UNDECIDED

    async def _no_patient(self, listed: CallList, skipped: list[SkippedPatient]) -> Problem:
        skipped_ids = {each.appointment_id for each in skipped}
        if any(patient.reason is None and patient.appointment.id in skipped_ids for patient in listed.patients):
            # A visit has refused the call of a patient who seemed free. The list knows by now when that patient is free.
            listed = await self.dependencies.dispatcher.read_snapshot(self.http, self.body, self._read)
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
