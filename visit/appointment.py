"""One appointment, and the fields of it that can change."""

from datetime import datetime

from pydantic import Field

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.frozen import Frozen, is_absent, is_zero


class Appointment(Frozen):
    """One appointment as the database has it, with the settings of its prestation.

    `patient_id` is the person. `record_id` is the record that has the appointment, when it is a retired one.
    `scheduled_at` is None in the messages of older programs. For them, doctor and prestation were always active.
    """

    id: int
    patient_id: int
    doctor_id: int
    prestation_id: int
    exclusive: bool
    expected_minutes: int
    status: AppointmentStatus
    scheduled_at: datetime | None = None
    # Left out when true, as it nearly always is. Each command would have 46 bytes more in its history.
    doctor_active: bool = Field(default=True, exclude_if=bool)
    prestation_active: bool = Field(default=True, exclude_if=bool)
    record_id: int | None = Field(default=None, exclude_if=is_absent)
    #: 1 (most urgent) to 5. None: no priority.
    priority: int | None = Field(default=None, exclude_if=is_absent)
    #: How many calls of the patient were not answered.
    no_answers: int = Field(default=0, exclude_if=is_zero)

    @property
    def record(self) -> int:
        """The id of the record that has the appointment. A merge and a separation leave it as it is."""
        return self.patient_id if self.record_id is None else self.record_id

    def of_person(self, person_id: int) -> "Appointment":
        """The same appointment after its record was merged into this person, or separated."""
        record_id = None if self.record == person_id else self.record
        return self.model_copy(update={"patient_id": person_id, "record_id": record_id})

    @property
    def fields(self) -> "AppointmentFields":
        """The fields that the hospital's own system can change, as they are."""
        return AppointmentFields(**{name: getattr(self, name) for name in AppointmentFields.model_fields})

    def changed(self, fields: "AppointmentFields") -> "Appointment":
        """The appointment with these fields. What it has of its doctor and prestation stays that of the earlier ones."""
        changed = {name: getattr(fields, name) for name in fields.names}
        return self.model_copy(update=changed | ({} if fields.patient_id is None else {"record_id": None}))


class AppointmentFields(Frozen):
    """Fields of an appointment, for a change of some of them. None: the field stays as it is."""

    patient_id: int | None = None
    doctor_id: int | None = None
    prestation_id: int | None = None
    scheduled_at: datetime | None = None
    expected_minutes: int | None = None
    status: AppointmentStatus | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that have a value."""
        return frozenset(name for name, value in self if value is not None)

    def without(self, *names: str) -> "AppointmentFields":
        """The other fields. The named ones stay as they are in the appointment."""
        return self.model_copy(update=dict.fromkeys(names))

    def differing_from(self, present: "AppointmentFields") -> "AppointmentFields":
        """The fields that have another value than in `present`."""
        return self.without(*(name for name in self.names if getattr(self, name) == getattr(present, name)))
