"""A clinic in memory that checks the calls of a generated day: each must be possible when it is made."""

from collections import defaultdict
from typing import Any

from patient_visit_engine.cli.replay.plan import ReplayPlan
from patient_visit_engine.cli.replay.staff_actions import StaffAction
from patient_visit_engine.visit.codes import Role

#: For each command about one appointment: the states in which it is possible, and the state after it.
CHANGES = {
    "check in": ({"booked"}, "waiting"),
    "undo check-in": ({"waiting"}, "booked"),
    "check out": ({"waiting"}, "left"),
    "undo check-out": ({"left"}, "waiting"),
    "cancel": ({"booked"}, "canceled"),
    "undo cancel": ({"canceled"}, "booked"),
    "undo start": ({"running"}, "waiting"),
    "release": ({"running"}, "waiting"),
    "pause": ({"running"}, "paused"),
    "resume": ({"paused"}, "running"),
    "transfer": ({"running"}, "waiting"),
    "complete": ({"running"}, "done"),
    "reopen": ({"done"}, "running"),
}
#: The same for all appointments of a patient. Those in other states stay as they are.
PATIENT_CHANGES = {
    "check in of patient": CHANGES["check in"],
    "undo check-in of patient": CHANGES["undo check-in"],
    "check out of patient": CHANGES["check out"],
    "undo check-out of patient": CHANGES["undo check-out"],
}


class SimpleClinic:
    """The state and the doctor of each appointment. `refused` counts the starts of a patient in consultation."""

    def __init__(self, plan: ReplayPlan) -> None:
        self._exclusive = {number: exclusive for number, (_, exclusive, _) in plan.prestations.items()}
        self.states = dict.fromkeys(plan.appointments, "booked")
        self.doctors = {number: doctor for number, (_, doctor, _, _) in plan.appointments.items()}
        self.prestations = {number: prestation for number, (_, _, prestation, _) in plan.appointments.items()}
        self.patients: dict[int, list[int]] = defaultdict(list)
        for number, (patient, *_) in plan.appointments.items():
            self.patients[patient].append(number)
        self.refused = 0

    def carry_out(self, action: StaffAction) -> None:
        """Change the state, or fail when the call is not possible."""
        body: dict[str, Any] = dict(action.body or {})
        if action.command == "reassign all":
            for number in self.states:
                if self.doctors[number] == action.doctor and self.states[number] in ("booked", "waiting"):
                    self.doctors[number] = body["doctor_id"]
        elif action.command not in ("set room", "call next", "no answer"):
            assert action.appointment is not None
            assert action.patient is not None
            self._change(action, action.appointment, action.patient, body)

    def _change(self, action: StaffAction, number: int, patient: int, body: dict[str, Any]) -> None:
        command = action.command
        if command.startswith("walk in"):
            assert number not in self.states
            self.states[number], self.doctors[number] = "waiting", action.doctor or 0
            self.prestations[number] = body["prestation_id"]
            self.patients[patient].append(number)
            return
        if command == "reassign":
            assert self.states[number] in ("booked", "waiting")
            self.doctors[number] = action.doctor or 0
        if action.staff.role is Role.doctor:
            assert self.doctors[number] == action.staff.number, action
        if command == "transfer":
            self.doctors[number] = action.doctor or 0
        if command == "start":
            self._start(number, patient, waits=bool(body.get("wait")))
        elif command in PATIENT_CHANGES:
            possible, after = PATIENT_CHANGES[command]
            changed = [each for each in self.patients[patient] if self.states[each] in possible]
            assert changed, action
            self.states |= dict.fromkeys(changed, after)
        elif command in CHANGES:
            possible, after = CHANGES[command]
            assert self.states[number] in possible, (action, self.states[number])
            self.states[number] = after
            self._check_exclusive(patient)

    def _start(self, number: int, patient: int, *, waits: bool) -> None:
        assert self.states[number] == "waiting"
        self.states[number] = "running"
        if waits:
            assert self._running(patient) == 2, "a doctor waits in line for a patient who is free"
            self.refused += 1
            self.states[number] = "waiting"
        self._check_exclusive(patient)

    def _running(self, patient: int) -> int:
        return sum(
            self.states[each] == "running" and self._exclusive[self.prestations[each]]
            for each in self.patients[patient]
        )

    def _check_exclusive(self, patient: int) -> None:
        assert self._running(patient) <= 1, "two exclusive consultations at the same time"
