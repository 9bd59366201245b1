"""The patients, doctors and appointments of one round. Floor and engine get the same plan."""

from dataclasses import dataclass
from typing import NamedTuple

CLIENTS = 32
#: Simultaneous starts for one patient. All but one are refused.
RIVALS = 8
CONTESTED_PATIENTS = 8
APPOINTMENTS_PER_PATIENT = 10


class Appointment(NamedTuple):
    """One patient with one doctor."""

    id: int
    patient_id: int
    doctor_id: int


@dataclass(frozen=True)
class Plan:
    """The appointments of one round.

    `count` is the number of patients in the calls that run one after the other. `pairs` is the number of patients
    in the concurrent calls. Each step of the round has its own patients. Both kinds of calls have as many more patients whose
    visits the engine opens ahead.
    """

    count: int
    pairs: int

    @property
    def patients(self) -> range:
        return range(1, CLIENTS + CONTESTED_PATIENTS + 2 * self.count + 2 * self.pairs + 1)

    @property
    def doctors(self) -> range:
        return range(1, CLIENTS + 1)

    def warm_up(self) -> list[tuple[Appointment, Appointment]]:
        """For each doctor a patient's appointment with that doctor, and the same patient's with another doctor."""
        return [
            (_appointment(doctor, 1, doctor), _appointment(doctor, 2, doctor % CLIENTS + 1)) for doctor in self.doctors
        ]

    def contested(self) -> list[list[Appointment]]:
        """For each contested patient one appointment with each rival doctor."""
        first = CLIENTS + 1
        return [
            [_appointment(patient, rival, rival) for rival in range(1, RIVALS + 1)]
            for patient in range(first, first + CONTESTED_PATIENTS)
        ]

    def sequential(self) -> list[tuple[Appointment, Appointment, Appointment]]:
        """For each patient two appointments with the first doctor, and one with the second."""
        first = CLIENTS + CONTESTED_PATIENTS + 1
        return [
            (_appointment(patient, 1, 1), _appointment(patient, 2, 1), _appointment(patient, 3, 2))
            for patient in range(first, first + self.count)
        ]

    def concurrent(self) -> list[tuple[Appointment, Appointment]]:
        """For each patient two appointments with the same doctor. Each doctor is one client."""
        first = CLIENTS + CONTESTED_PATIENTS + self.count + 1
        return [
            (_appointment(patient, 1, patient % CLIENTS + 1), _appointment(patient, 2, patient % CLIENTS + 1))
            for patient in range(first, first + self.pairs)
        ]

    def sequential_opened_ahead(self) -> list[Appointment]:
        """For each patient whose visit is opened ahead one appointment with the first doctor."""
        first = CLIENTS + CONTESTED_PATIENTS + self.count + self.pairs + 1
        return [_appointment(patient, 1, 1) for patient in range(first, first + self.count)]

    def concurrent_opened_ahead(self) -> list[Appointment]:
        """For each patient whose visit is opened ahead one appointment. Each doctor is one client."""
        first = CLIENTS + CONTESTED_PATIENTS + 2 * self.count + self.pairs + 1
        return [_appointment(patient, 1, patient % CLIENTS + 1) for patient in range(first, first + self.pairs)]

    def opened_ahead(self) -> list[Appointment]:
        """The appointments whose visits the engine opens before the timed calls."""
        return self.sequential_opened_ahead() + self.concurrent_opened_ahead()

    def not_opened_ahead(self) -> list[Appointment]:
        """All other appointments."""
        groups = [*self.warm_up(), *self.contested(), *self.sequential(), *self.concurrent()]
        return [appointment for group in groups for appointment in group]

    @property
    def completed(self) -> int:
        """How many consultations are completed at the end of the round."""
        return CLIENTS + CONTESTED_PATIENTS + 3 * self.count + 3 * self.pairs

    @property
    def refused(self) -> int:
        """How many starts are refused during the round."""
        return CLIENTS + CONTESTED_PATIENTS * (RIVALS - 1) + self.count


def _appointment(patient_id: int, ordinal: int, doctor_id: int) -> Appointment:
    return Appointment(patient_id * APPOINTMENTS_PER_PATIENT + ordinal, patient_id, doctor_id)
