"""The clock of a clinic that is played: a queue of moments, and the calls that staff have made until now. Pure."""

import heapq
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from patient_visit_engine.cli.replay.generated_day import OPENS_AT, DayOptions, DrawnAppointment
from patient_visit_engine.cli.replay.staff_actions import StaffAction, StaffMember
from patient_visit_engine.visit.codes import Role

SUPERVISOR = StaffMember(Role.supervisor, 1)


class ClinicClock:
    """`now` is in seconds after midnight. `actions` grows in an order in which every call is possible.

    A call never comes before another one that it depends on. So a driver may send the calls of different people at the same time.
    In the actions, doctors and prestations have an index, and patients and appointments the number of the drawn day.
    """

    def __init__(self, options: DayOptions) -> None:
        self.now = OPENS_AT
        self.actions: list[StaffAction] = []
        self.draw = Random(options.seed + 1)  # noqa: S311
        self._desks = options.desks
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Act at this moment. Acts of one moment keep their order."""
        self._count += 1
        heapq.heappush(self._moments, (moment, self._count, act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Act so many seconds from now."""
        self.at(self.now + seconds, act)

    def run(self) -> None:
        """Act until nothing is left to do."""
        while self._moments:
            self.now, _, act = heapq.heappop(self._moments)
            act()

    def send(
        self, command: str, staff: StaffMember, about: DrawnAppointment, body: Mapping[str, Any] | None = None
    ) -> None:
        """A member of staff makes a call about an appointment."""
        # A supervisor acts for the doctor, who does nothing else before. Neither does a doctor who gets an appointment.
        concerns_doctor = staff == SUPERVISOR or command in ("reassign", "transfer")
        people = frozenset({("doctor", about.doctor)} if concerns_doctor else ())
        self.actions.append(
            StaffAction(self.now, command, staff, about.patient.number, about.number, about.doctor, body, people)
        )

    def send_by_desk(self, command: str, about: DrawnAppointment, body: Mapping[str, Any] | None = None) -> None:
        """A desk makes a call about an appointment."""
        self.send(command, self.desk(), about, body)

    def desk(self) -> StaffMember:
        """The desk that is free."""
        return StaffMember(Role.reception, self.draw.randint(1, self._desks))


def doctor_member(index: int) -> StaffMember:
    """The doctor with this index."""
    return StaffMember(Role.doctor, index)
