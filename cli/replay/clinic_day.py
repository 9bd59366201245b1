"""Plays a drawn day as a clinic would, and lists the calls that its staff make. Here are the desks, and who comes. Pure."""

from functools import partial

from patient_visit_engine.cli.replay.clinic_clock import ClinicClock, doctor_member
from patient_visit_engine.cli.replay.clinic_doctors import NOTICED_AFTER, ClinicDoctors
from patient_visit_engine.cli.replay.generated_day import (
    MINUTE,
    OPENS_AT,
    DrawnAppointment,
    DrawnDay,
    DrawnPatient,
    Story,
)
from patient_visit_engine.cli.replay.staff_actions import StaffAction

#: Chosen: a doctor hands over at 13:00, a patient is not expected any more after 45 minutes, one who leaves has waited for 20.
HAND_OVER_AT, MISSED_AFTER, PATIENCE = 13 * 3600.0, 45 * MINUTE, 20 * MINUTE
#: Stories of patients who are checked in and out as a whole, not for one appointment.
OF_PATIENT = frozenset({Story.second_doctor, Story.left, Story.undone_arrival, Story.undone_departure})


def play_day(day: DrawnDay) -> list[StaffAction]:
    """Play the whole day. Every patient who came was seen or has left at its end. Changes the drawn patients."""
    clock = ClinicClock(day.options)
    doctors = ClinicDoctors(clock, day)
    desks = _Desks(clock, doctors)
    for doctor in range(day.options.doctors):
        clock.at(OPENS_AT - 15 * MINUTE, partial(_set_room, clock, doctor))
    for patient in day.patients:
        desks.expect(patient)
    clock.at(HAND_OVER_AT, doctors.hand_over)
    clock.run()
    return clock.actions


def _set_room(clock: ClinicClock, doctor: int) -> None:
    room = {"room": f"{'ABC'[doctor % 3]} {doctor // 3 + 1}"}
    clock.actions.append(StaffAction(clock.now, "set room", doctor_member(doctor), doctor=doctor, body=room))


class _Desks:
    def __init__(self, clock: ClinicClock, doctors: ClinicDoctors) -> None:
        self._clock, self._doctors = clock, doctors

    def expect(self, patient: DrawnPatient) -> None:
        """Plan what happens before the patient comes, and the arrival."""
        at, first, story = self._clock.at, patient.appointments[0], patient.story
        arrives_at = patient.arrives_at
        before = max(OPENS_AT, min(first.scheduled_at, arrives_at))
        match story:
            case Story.no_show:
                at(first.scheduled_at + MISSED_AFTER, partial(self._cancel, first, "no_show"))
            case Story.canceled:
                reason = self._clock.draw.choice(("patient", "clinic"))
                at(self._clock.draw.uniform(OPENS_AT, before), partial(self._cancel, first, reason))
            case Story.undone_cancel | Story.undone_check_in | Story.undone_arrival:
                # The mistake was about another patient.
                is_cancel = story is Story.undone_cancel
                at(before, partial(self._cancel, first, "patient") if is_cancel else partial(self._check_in, first))
                undo = self._undo_cancel if is_cancel else self._undo_check_in
                at(before + NOTICED_AFTER, partial(undo, first))
                at(max(arrives_at, before) + 2 * NOTICED_AFTER, partial(self._arrive, patient))
            case Story.reassigned:
                at(min(OPENS_AT, arrives_at) - MINUTE, partial(self._reassign, first))
                at(arrives_at, partial(self._arrive, patient))
            case _:
                at(arrives_at, partial(self._arrive, patient))

    def _arrive(self, patient: DrawnPatient) -> None:
        first = patient.appointments[0]
        if patient.is_walk_in:
            self._doctors.send_walk_in(first, self._clock.desk())
        else:
            self._check_in(first)
            if patient.urgent:
                self._clock.send_by_desk("set priority", first, {"priority": 1})
        match patient.story:
            case Story.left:
                self._clock.after(PATIENCE, partial(self._check_out, first))
            case Story.undone_check_out | Story.undone_departure:
                self._check_out(first)
                self._clock.after(NOTICED_AFTER, partial(self._undo_check_out, first))
            case _:
                for each in patient.appointments:
                    self._doctors.wait(each)

    def _cancel(self, about: DrawnAppointment, reason: str) -> None:
        self._doctors.pending.discard(about.number)
        self._clock.send_by_desk("cancel", about, {"reason": reason})

    def _undo_cancel(self, about: DrawnAppointment) -> None:
        self._doctors.pending.add(about.number)
        self._clock.send_by_desk("undo cancel", about)

    def _reassign(self, about: DrawnAppointment) -> None:
        about.doctor = self._doctors.other_doctor(about.doctor)
        self._clock.send_by_desk("reassign", about)

    def _check_in(self, about: DrawnAppointment) -> None:
        self._doctors.checked_in |= {each.number for each in about.patient.appointments}
        self._clock.send_by_desk(f"check in{_of_patient(about)}", about)

    def _undo_check_in(self, about: DrawnAppointment) -> None:
        self._doctors.checked_in.discard(about.number)
        self._clock.send_by_desk(f"undo check-in{_of_patient(about)}", about)

    def _check_out(self, about: DrawnAppointment) -> None:
        self._doctors.pending.discard(about.number)
        self._doctors.checked_in.discard(about.number)
        self._clock.send_by_desk(f"check out{_of_patient(about)}", about)

    def _undo_check_out(self, about: DrawnAppointment) -> None:
        self._doctors.pending.add(about.number)
        self._doctors.checked_in.add(about.number)
        self._clock.send_by_desk(f"undo check-out{_of_patient(about)}", about)
        self._doctors.wait(about)


def _of_patient(about: DrawnAppointment) -> str:
    return " of patient" if about.patient.story in OF_PATIENT else ""
