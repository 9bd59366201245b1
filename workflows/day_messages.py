"""The updates of a visit that change appointments and patient records."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from patient_visit_engine.visit.appointment_commands import (
        CancelAppointment,
        ChangeAppointment,
        CheckIn,
        CheckOut,
        Reassign,
        SetAppointmentStatus,
        SetPriority,
        UndoCancel,
        UndoCheckIn,
        UndoCheckOut,
    )
    from patient_visit_engine.visit.call_commands import CallPatient, NoAnswer
    from patient_visit_engine.visit.commands import Command
    from patient_visit_engine.visit.patient_commands import (
        CheckInPatient,
        CheckOutPatient,
        MergePatients,
        OpenWalkIn,
        SeparatePatients,
        UndoCheckInPatient,
        UndoCheckOutPatient,
    )
    from patient_visit_engine.visit.visit_messages import Reply


class DayMessages:
    """A base class of `PatientVisit`, which handles these updates. Temporal's SDK also finds the updates of base classes."""

    @workflow.update(description="Cancel an appointment.")
    async def cancel_appointment(self, command: CancelAppointment) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Take back the cancellation of an appointment.")
    async def undo_cancel(self, command: UndoCancel) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Record that the patient has arrived.")
    async def check_in(self, command: CheckIn) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Record that the patient has left without being seen.")
    async def check_out(self, command: CheckOut) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Take back a check-in.")
    async def undo_check_in(self, command: UndoCheckIn) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Take back a check-out.")
    async def undo_check_out(self, command: UndoCheckOut) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Give the patient an appointment for now, and check the patient in for it.")
    async def open_walk_in(self, command: OpenWalkIn) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Call the patient for the appointment's doctor, if the patient is free.")
    async def call_patient(self, command: CallPatient) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Record that the called patient did not come.")
    async def no_answer(self, command: NoAnswer) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Record that the patient has arrived, for all appointments of the day.")
    async def check_in_patient(self, command: CheckInPatient) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Record that the patient has left, for all appointments.")
    async def check_out_patient(self, command: CheckOutPatient) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Take back the check-ins of the day.")
    async def undo_check_in_patient(self, command: UndoCheckInPatient) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Take back the check-out of the patient.")
    async def undo_check_out_patient(self, command: UndoCheckOutPatient) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Set the appointment's status. `done` also ends its consultation.")
    async def set_appointment_status(self, command: SetAppointmentStatus) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Set how urgent the appointment is.")
    async def set_priority(self, command: SetPriority) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Give the appointment to another doctor.")
    async def reassign(self, command: Reassign) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Change fields of an appointment, as the hospital's own system has sent them.")
    async def change_appointment(self, command: ChangeAppointment) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Make another record part of this patient.")
    async def merge_patients(self, command: MergePatients) -> Reply:
        return await self._handle(command)

    @workflow.update(description="Undo the merge of another record into this patient.")
    async def separate_patients(self, command: SeparatePatients) -> Reply:
        return await self._handle(command)

    async def _handle(self, command: Command) -> Reply:
        raise NotImplementedError
