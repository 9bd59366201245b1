"""The doctors of a clinic that is played: their queues, consultations, trips to the laboratory, and the hand-over. Pure."""

import heapq
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

from patient_visit_engine.cli.replay.clinic_clock import SUPERVISOR, ClinicClock, doctor_member
from patient_visit_engine.cli.replay.generated_day import MINUTE, DrawnAppointment, DrawnDay, Story
from patient_visit_engine.cli.replay.staff_actions import StaffAction, StaffMember

#: Chosen: a doctor takes the next patient after 1 minute, a mistake is seen after 1 minute, a walk to the laboratory takes 3.
PAUSE_BETWEEN, NOTICED_AFTER, WALK = MINUTE, MINUTE, 3 * MINUTE
#: Chosen: the share of a consultation before its trip to the laboratory, and before its transfer. Seconds of the shortest and the
#: longest test.
BEFORE_LAB, BEFORE_TRANSFER, SHORTEST_TEST, LONGEST_TEST = 0.6, 0.5, 180.0, 480.0
#: Chosen: a supervisor releases a forgotten consultation after 10 minutes.
FORGOTTEN_FOR = 10 * MINUTE
#: In the queue of a doctor: a patient who was with the doctor before, an urgent one, then the others by their scheduled time.
RETURNING, URGENT_RANK, NORMAL = 0, 1, 2
#: The doctor who hands over, and the one who takes the appointments.
LEAVING, COMING = 0, 1

#: Rank, scheduled time, number of the appointment, and the command.
Entry = tuple[int, float, int, str]


class ClinicDoctors:
    """Each doctor takes the first patient of the queue, and the next one after the consultation."""

    def __init__(self, clock: ClinicClock, day: DrawnDay) -> None:
        self._clock, self._day = clock, day
        self._appointments = {each.number: each for patient in day.patients for each in patient.appointments}
        #: Appointments that have not begun, and are not canceled.
        self.pending = set(self._appointments)
        #: Appointments of patients who are checked in for them, and have not begun.
        self.checked_in: set[int] = set()
        self._queues: dict[int, list[Entry]] = defaultdict(list)
        self._busy: set[int] = set()
        #: Patients in an exclusive consultation, and the appointments for which a doctor waits for its end.
        self._in_consultation: set[int] = set()
        self._in_line: dict[int, list[DrawnAppointment]] = defaultdict(list)
        self._hands_over = False

    def wait(self, about: DrawnAppointment, rank: int | None = None) -> None:
        """The patient waits for the doctor, who may be free."""
        urgency = URGENT_RANK if about.patient.urgent else NORMAL
        self._queue(about, urgency if rank is None else rank, "start")
        self._take_next(about.doctor)

    def send_walk_in(self, about: DrawnAppointment, staff: StaffMember) -> None:
        """Staff add a patient without an appointment to the list of a doctor or of the laboratory."""
        body = {"prestation_id": int(about.lab), "priority": 1 if about.patient.urgent else None}
        is_new = about.patient.is_new and not about.lab
        self.checked_in.add(about.number)
        self._clock.send("walk in as new patient" if is_new else "walk in", staff, about, body)

    def other_doctor(self, doctor: int) -> int:
        """A doctor who gets an appointment of this one."""
        return (doctor + 2) % self._day.options.first_lab

    def hand_over(self) -> None:
        """One doctor gives all appointments that have not begun to another one, between two patients."""
        self._hands_over = LEAVING in self._busy
        if self._hands_over:
            return
        moved = [each for each in self._appointments.values() if each.doctor == LEAVING and each.number in self.pending]
        people = {("patient", each.patient.number) for each in moved} | {("doctor", LEAVING), ("doctor", COMING)}
        body = {"doctor_id": COMING, "reason": "End of the shift"}
        clock = self._clock
        clock.actions.append(
            StaffAction(clock.now, "reassign all", clock.desk(), doctor=LEAVING, body=body, concerned=frozenset(people))
        )
        for each in moved:
            each.doctor = COMING
            if each in self._in_line[each.patient.number]:
                # The place in line was the other doctor's.
                self._in_line[each.patient.number].remove(each)
                self._queue(each, NORMAL, "start")
        entries, self._queues[LEAVING] = self._queues[LEAVING], []
        for entry in entries:
            heapq.heappush(self._queues[self._appointments[entry[2]].doctor], entry)
        self._take_next(COMING)

    def _queue(self, about: DrawnAppointment, rank: int, command: str) -> None:
        heapq.heappush(self._queues[about.doctor], (rank, about.scheduled_at, about.number, command))

    def _take_next(self, doctor: int) -> None:
        if doctor in self._busy or not self._queues[doctor]:
            return
        rank, _scheduled, number, command = heapq.heappop(self._queues[doctor])
        about = self._appointments[number]
        if about.patient.number in self._in_consultation and not about.lab:
            # The doctor is refused, waits in line, and takes another patient.
            self._clock.send("start", doctor_member(doctor), about, {"wait": True})
            self._in_line[about.patient.number].append(about)
            self._take_next(doctor)
            return
        self._busy.add(doctor)
        if rank != RETURNING and self._can_be_called(about):
            self._call(about)
        self._clock.send(command, doctor_member(doctor), about)
        self.pending.discard(number)
        self.checked_in.discard(number)
        if not about.lab:
            self._in_consultation.add(about.patient.number)
        self._plan_end(about, command)

    def _can_be_called(self, about: DrawnAppointment) -> bool:
        """Whether no other patient of the doctor's list can be called. Then the system chooses this one too."""
        others = (self._appointments[number] for number in self.checked_in - {about.number})
        return not about.lab and not any(
            other.doctor == about.doctor and other.patient.number not in self._in_consultation for other in others
        )

    def _call(self, about: DrawnAppointment) -> None:
        """The doctor calls the patient, sometimes twice. All patients of the doctor do nothing else at that moment."""
        doctor, clock = about.doctor, self._clock
        people = frozenset(
            ("patient", each.patient.number) for each in self._appointments.values() if each.doctor == doctor
        )
        call = StaffAction(
            clock.now, "call next", doctor_member(doctor), about.patient.number, about.number, doctor, None, people
        )
        clock.actions.append(call)
        if about.patient.story is Story.no_answer:
            about.patient.story = Story.seen
            clock.send("no answer", doctor_member(doctor), about)
            clock.actions.append(call)

    def _plan_end(self, about: DrawnAppointment, command: str) -> None:
        after, story, draw = self._clock.after, about.patient.story, self._clock.draw
        if about.lab:
            after(draw.uniform(SHORTEST_TEST, LONGEST_TEST), partial(self._end_test, about))
        elif command == "resume":
            after((1 - BEFORE_LAB) * about.length, partial(self._complete, about))
        elif story is Story.lab_trip:
            after(BEFORE_LAB * about.length, partial(self._send_to_lab, about))
        elif story is Story.transferred:
            after(BEFORE_TRANSFER * about.length, partial(self._transfer, about))
        elif story is Story.undone_start:
            after(NOTICED_AFTER, partial(self._stop, about, "undo start", doctor_member(about.doctor)))
        elif story is Story.released:
            body = {"reason": "The doctor has left the room."}
            after(about.length + FORGOTTEN_FOR, partial(self._stop, about, "release", SUPERVISOR, body))
        else:
            after(about.length, partial(self._complete, about))

    def _stop(
        self, about: DrawnAppointment, command: str, staff: StaffMember, body: Mapping[str, Any] | None = None
    ) -> None:
        """The consultation ends without being done, and the patient waits again."""
        self._clock.send(command, staff, about, body)
        about.patient.story = Story.seen
        self.pending.add(about.number)
        self.checked_in.add(about.number)
        self._queue(about, RETURNING, "start")
        self._end_exclusive(about)

    def _transfer(self, about: DrawnAppointment) -> None:
        """Another doctor takes the patient next."""
        giver, about.doctor = about.doctor, self.other_doctor(about.doctor)
        self._clock.send("transfer", doctor_member(giver), about)
        about.patient.story = Story.seen
        self.pending.add(about.number)
        self.checked_in.add(about.number)
        self._in_consultation.discard(about.patient.number)
        self._clock.after(PAUSE_BETWEEN, partial(self.wait, about, RETURNING))
        self._free_doctor(giver)

    def _complete(self, about: DrawnAppointment) -> None:
        doctor = doctor_member(about.doctor)
        self._clock.send("complete", doctor, about)
        if about.patient.story is Story.reopened:
            about.patient.story = Story.seen
            self._clock.after(NOTICED_AFTER, partial(self._clock.send, "reopen", doctor, about))
            self._clock.after(4 * NOTICED_AFTER, partial(self._complete, about))
        else:
            self._end_exclusive(about)

    def _end_exclusive(self, about: DrawnAppointment) -> None:
        """The patient can see the doctor in line, and the doctor takes another patient."""
        self._in_consultation.discard(about.patient.number)
        for waiting in self._in_line.pop(about.patient.number, []):
            self._queue(waiting, RETURNING, "start")
            self._clock.after(PAUSE_BETWEEN, partial(self._take_next, waiting.doctor))
        self._free_doctor(about.doctor)

    def _free_doctor(self, doctor: int) -> None:
        if doctor == LEAVING and self._hands_over:
            self._busy.discard(doctor)
            self.hand_over()

        def take_next() -> None:
            self._busy.discard(doctor)
            self._take_next(doctor)

        self._clock.after(PAUSE_BETWEEN, take_next)

    def _send_to_lab(self, about: DrawnAppointment) -> None:
        """The doctor adds the patient to the list of the laboratory, and pauses the consultation."""
        labs = range(self._day.options.first_lab, self._day.options.doctors)
        lab = min(labs, key=lambda doctor: len(self._queues[doctor]))
        test = DrawnAppointment(about.number + 2, about.patient, lab, self._clock.now, 0.0, lab=True)
        self._appointments[test.number] = test
        self.send_walk_in(test, doctor_member(about.doctor))
        self._clock.send("pause", doctor_member(about.doctor), about, {"reason": "Laboratory"})
        self._end_exclusive(about)
        self._clock.after(WALK, partial(self.wait, test))

    def _end_test(self, test: DrawnAppointment) -> None:
        self._clock.send("complete", doctor_member(test.doctor), test)
        self._free_doctor(test.doctor)
        paused = test.patient.appointments[0]

        def come_back() -> None:
            self._queue(paused, RETURNING, "resume")
            self._take_next(paused.doctor)

        self._clock.after(WALK, come_back)
