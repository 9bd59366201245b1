"""The visits of a patient and of another record of the same person, on a real Temporal server."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.person_records import read_record
from patient_visit_engine.storage.tables import appointments, patients
from patient_visit_engine.visit.consultation_commands import CompleteConsultation, StartConsultation
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.patient_commands import MergePatients, SeparatePatients
from patient_visit_engine.visit.person_records import SeenRecord
from tests.support.patient_records import Answer
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS, DR_CHRAIBI, appointment_id
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

#: The id of the other record is so much higher than that of the patient.
OTHER = 500_000


class MergedVisits:
    """The patient's visits, and those of another record of the same person."""

    def __init__(self, visits: VisitDriver) -> None:
        self.visits, self.other = visits, visits.patient + OTHER

    async def insert_other(self) -> None:
        """Insert the other record, with an appointment with each of three doctors."""
        await self.visits.database.write(_insert_other, self.visits.patient, self.other)

    async def start_command(self, doctor: int, key: str) -> StartConsultation:
        """The doctor starts the other record's appointment, as the API has read it."""
        appointment = await self.visits.database.read(read_appointment, appointment_id(self.other, doctor))
        assert appointment is not None
        return StartConsultation(request=self.visits.request(key), appointment=appointment)

    async def merge_command(self, key: str = "merge") -> MergePatients:
        """Merge the other record into the patient's."""
        record = await self._read(self.other)
        return MergePatients(request=self.visits.request(key), patient_id=self.visits.patient, retired=record)

    async def separate_command(self) -> SeparatePatients:
        """Separate the other record again."""
        record = await self._read(self.other)
        return SeparatePatients(request=self.visits.request("separate"), patient_id=self.visits.patient, retired=record)

    async def retire_patient(self) -> None:
        """Merge the patient's record into the other one."""
        record = await self._read(self.visits.patient)
        command = MergePatients(request=self.visits.request("retire"), patient_id=self.other, retired=record)
        await self.visits.client.update(self.other, self.visits.today, command)

    async def _read(self, patient_id: int) -> SeenRecord:
        record = await self.visits.database.read(read_record, patient_id)
        assert record is not None
        return record

    async def send(self, command: StartConsultation | CompleteConsultation) -> Answer:
        """Send the command to the visit of the other record."""
        await self.visits.client.send(self.other, self.visits.today, command, command.request.id)
        return await self.visits.wait_for_answer(command.request)

    async def skip_time_of_other(self, *, until: datetime) -> None:
        """Skip the time of the other record's visit to `until`, or to the end of its workflow."""
        environment, workflow = self.visits.environment, self._workflow_of_other(self.visits.today)
        await environment.fast_forward(workflow, until - await environment.get_current_time(workflow))

    async def wait_until_other_has_ended(self, day: date | None = None) -> None:
        """Wait until the workflow of the other record has ended by itself."""
        workflow = self._workflow_of_other(day or self.visits.today)

        async def has_ended() -> bool:
            return (await workflow.describe()).status is WorkflowExecutionStatus.COMPLETED

        await wait_until_async(has_ended, "the retired visit has ended")

    def _workflow_of_other(self, day: date) -> WorkflowHandle[Any, Any]:
        return self.visits.environment.client.get_workflow_handle(visit_id(self.other, day))


def _insert_other(connection: Connection, patient: int, other: int) -> None:
    connection.execute(insert(patients).values(id=other, last_name="Quarterpol"))
    for doctor in (DR_AMRANI, DR_BENNIS, DR_CHRAIBI):
        row = connection.execute(select(appointments).where(appointments.c.id == appointment_id(patient, doctor))).one()
        copy = row._asdict() | {"id": appointment_id(other, doctor), "patient_id": other}
        connection.execute(insert(appointments).values(**copy))
