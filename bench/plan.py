"""Who sees whom in one round, the same for floor and engine; it must not know either of them, nor how it is measured."""

from dataclasses import dataclass
from typing import NamedTuple

CLIENTS = 32
#: Simultaneous starts for one patient: all but one are refused.
RIVALS = 8
CONTESTED = 8
APPOINTMENTS_A_PATIENT = 10


class Appointment(NamedTuple):
    """One patient with one doctor."""

    id: int
    patient_id: int
    doctor_id: int


@dataclass(frozen=True)
class Plan:
    """The appointments of one round; ids tell patients apart, `count` and `pairs` are patients."""

    count: int
    pairs: int

    @property
    def patients(self) -> range:
        return range(1, CLIENTS + CONTESTED + self.count + self.pairs + 1)

    @property
    def doctors(self) -> range:
        return range(1, CLIENTS + 1)

    def warming(self) -> list[tuple[Appointment, Appointment]]:
        """For each doctor a patient of their own, and another doctor's appointment with that patient."""
        return [
            (_appointment(doctor, 1, doctor), _appointment(doctor, 2, doctor % CLIENTS + 1)) for doctor in self.doctors
        ]

    def contested(self) -> list[list[Appointment]]:
        """For each of a few patients, appointments with different doctors."""
        first = CLIENTS + 1
        return [
            [_appointment(patient, rival, rival) for rival in range(1, RIVALS + 1)]
            for patient in range(first, first + CONTESTED)
        ]

    def measured(self) -> list[tuple[Appointment, Appointment, Appointment]]:
        """For each patient two appointments with the first doctor, and one with the second."""
        first = CLIENTS + CONTESTED + 1
        return [
            (_appointment(patient, 1, 1), _appointment(patient, 2, 1), _appointment(patient, 3, 2))
            for patient in range(first, first + self.count)
        ]

    def paired(self) -> list[tuple[Appointment, Appointment]]:
        """For each patient two appointments with the doctor whose client has the patient."""
        first = CLIENTS + CONTESTED + self.count + 1
        return [
            (_appointment(patient, 1, patient % CLIENTS + 1), _appointment(patient, 2, patient % CLIENTS + 1))
            for patient in range(first, first + self.pairs)
        ]

    def appointments(self) -> list[Appointment]:
        """Every appointment of the round."""
        groups = [*self.warming(), *self.contested(), *self.measured(), *self.paired()]
        return [appointment for group in groups for appointment in group]

    @property
    def completed(self) -> int:
        """How many consultations have been completed when the round is over."""
        return CLIENTS + CONTESTED + 2 * self.count + 2 * self.pairs

    @property
    def blocked(self) -> int:
        """How many starts have been refused."""
        return CLIENTS + CONTESTED * (RIVALS - 1) + self.count


def _appointment(patient_id: int, ordinal: int, doctor_id: int) -> Appointment:
    return Appointment(patient_id * APPOINTMENTS_A_PATIENT + ordinal, patient_id, doctor_id)
