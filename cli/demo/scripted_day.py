"""A day of the demonstration hospital in which everything occurs that staff can do, except a new patient. Pure.

John Doe is with Dr. Smith, goes for his X-ray, and sees Dr. Amrani, who waited in line, before Dr. Smith goes on.
With a new patient, the database would have other patients than the demonstration's, which is then not added on the next day.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from patient_visit_engine.cli.demo import hospital
from patient_visit_engine.cli.replay.plan import ReplayPlan
from patient_visit_engine.cli.replay.staff_actions import StaffAction, StaffMember
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.codes import Role

#: The doctors, in the order of `hospital.DOCTORS`.
SMITH, AMRANI, ROSSI, LINDQVIST, OKAFOR = range(1, 6)
#: Patients, in the order of `hospital.PATIENTS`.
JOHN, MARIA, AMINA, PETER, LUCIA, KWAME, INGRID, TOMAS = range(1, 9)
DESK, SUPERVISOR = StaffMember(Role.reception, 1), StaffMember(Role.supervisor, 1)
#: The system chooses the patient who is called.
CALLED = -1

#: Minute, command, doctor of the appointment, patient, and the body.
ScriptLine = tuple[int, str, int, int, Mapping[str, Any] | None]

SCRIPT: tuple[ScriptLine, ...] = (
    *((0, "set room", doctor, 0, {"room": f"B {10 + doctor}"}) for doctor in range(1, 1 + len(hospital.DOCTORS))),
    (5, "check in of patient", SMITH, JOHN, None),
    (6, "check in", SMITH, MARIA, None),
    (7, "undo check-in", SMITH, MARIA, None),
    (8, "cancel", SMITH, AMINA, {"reason": "patient", "text": "Has called."}),
    (9, "undo cancel", SMITH, AMINA, None),
    (10, "check in of patient", SMITH, PETER, None),
    (11, "undo check-in of patient", SMITH, PETER, None),
    (12, "reassign", ROSSI, KWAME, {"reason": "Second opinion"}),
    (30, "start", SMITH, JOHN, None),
    (31, "start", AMRANI, JOHN, {"wait": True}),
    (33, "walk in", LINDQVIST, TOMAS, {"prestation_id": LINDQVIST, "priority": 2}),
    (34, "start", LINDQVIST, TOMAS, None),
    (36, "pause", SMITH, JOHN, {"reason": "X-ray"}),
    (37, "start", OKAFOR, JOHN, None),
    (38, "start", AMRANI, JOHN, None),
    (40, "check in", SMITH, MARIA, None),
    (41, "start", SMITH, MARIA, None),
    (42, "undo start", SMITH, MARIA, None),
    (43, "start", SMITH, MARIA, None),
    (47, "complete", OKAFOR, JOHN, None),
    (52, "complete", AMRANI, JOHN, None),
    (53, "complete", SMITH, MARIA, None),
    (54, "resume", SMITH, JOHN, None),
    (56, "complete", LINDQVIST, TOMAS, None),
    (60, "complete", SMITH, JOHN, None),
    (61, "reopen", SMITH, JOHN, None),
    (64, "complete", SMITH, JOHN, None),
    (65, "check in", SMITH, AMINA, None),
    (66, "check out", SMITH, AMINA, None),
    (67, "undo check-out", SMITH, AMINA, None),
    (68, "check in of patient", SMITH, PETER, None),
    (69, "set priority", SMITH, PETER, {"priority": 1, "reason": "Chest pain"}),
    (70, "start", SMITH, PETER, None),
    (78, "release", SMITH, PETER, {"reason": "The doctor was called away."}),
    (80, "start", SMITH, PETER, None),
    (88, "complete", SMITH, PETER, None),
    (89, "start", SMITH, AMINA, None),
    (97, "complete", SMITH, AMINA, None),
    (98, "check in of patient", SMITH, LUCIA, None),
    (99, "check out of patient", SMITH, LUCIA, None),
    (100, "undo check-out of patient", SMITH, LUCIA, None),
    (102, "start", SMITH, LUCIA, None),
    (103, "check in", ROSSI, KWAME, None),
    (104, "start", ROSSI, KWAME, None),
    (112, "transfer", ROSSI, LUCIA, None),
    (114, "complete", ROSSI, KWAME, None),
    (115, "start", ROSSI, LUCIA, None),
    (116, "cancel", SMITH, INGRID, {"reason": "no_show"}),
    (120, "complete", ROSSI, LUCIA, None),
    (121, "reassign all", LINDQVIST, 0, {"doctor_id": ROSSI, "reason": "End of the shift"}),
    (122, "call next", ROSSI, CALLED, None),
    (123, "no answer", ROSSI, CALLED, None),
    (124, "call next", ROSSI, CALLED, None),
)


def scripted_plan(day: date, calendar: HospitalCalendar) -> ReplayPlan:
    """The script with the ids of the appointments of this day."""
    appointments = {
        row["id"]: (row["patient_id"], row["doctor_id"], row["prestation_id"], row["scheduled_at"])
        for row in hospital.appointments(day, calendar)
    }
    numbers = {(patient, doctor): number for number, (patient, doctor, *_) in appointments.items()}
    # Dr. Smith's appointment with Kwame is given to Dr. Rossi, and Lucia in the middle of her consultation.
    numbers |= {(patient, ROSSI): numbers[patient, SMITH] for patient in (KWAME, LUCIA)}
    actions = []
    for minute, command, doctor, patient, body in SCRIPT:
        if command in ("walk in", "call next"):
            # No appointment of the hospital has a negative number.
            numbers[patient, doctor] = -minute
        actions.append(_action(minute, command, doctor, patient, numbers.get((patient, doctor)), body))
    return ReplayPlan(
        day=day,
        patients={number: (first, last) for number, (first, last, _) in enumerate(hospital.PATIENTS, 1)},
        doctors=dict(enumerate(hospital.DOCTORS, 1)),
        prestations=dict(enumerate(hospital.PRESTATIONS, 1)),
        appointments=appointments,
        steps=(),
        notes=(),
        actions=tuple(actions),
    )


#: The calls of reception. A supervisor releases, and doctors do everything else.
OF_RECEPTION = ("check", "undo check", "cancel", "undo cancel", "walk in", "set priority", "reassign")


def _action(
    minute: int, command: str, doctor: int, patient: int, number: int | None, body: Mapping[str, Any] | None
) -> StaffAction:
    by_reception = command.startswith(OF_RECEPTION)
    # The doctor of a transfer is the one who takes the patient.
    sender = StaffMember(Role.doctor, SMITH if command == "transfer" else doctor)
    staff = DESK if by_reception else SUPERVISOR if command == "release" else sender
    concerned = frozenset({("doctor", doctor)}) if staff == SUPERVISOR else frozenset[tuple[str, int]]()
    if command in ("reassign all", "call next"):
        concerned = frozenset({("doctor", doctor), ("doctor", ROSSI), *(("patient", each) for each in range(1, 13))})
    return StaffAction(minute * 60.0, command, staff, patient or None, number, doctor, body, concerned)
