"""The ledger computes the facts and the tracking of its reply. They are those of the database, after every kind of change."""

from datetime import date, timedelta
from random import Random
from typing import get_args

import pytest
from sqlalchemy import Connection

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_facts
from patient_visit_engine.storage.trackings import latest_tracking, tracking_of_consultation
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import CheckIn, CheckOut
from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.codes import AppointmentStatus, RescueReason
from patient_visit_engine.visit.commands import (
    Command,
    ConsultationCommand,
    PatientCommand,
    RecordCommand,
    SystemCommand,
)
from patient_visit_engine.visit.facts import Consultation, Facts
from patient_visit_engine.visit.patient_commands import Adopt, OpenWalkIn, Rescue
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.visit.timers import decide_due
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID
from patient_visit_engine.wire.trackings import consultation_body, tracking_body
from tests.support.builders import (
    CARDIOLOGY,
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    X_RAY,
    a_request,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import (
    a_call,
    a_change,
    a_check_in,
    a_completion,
    a_leave,
    a_merge,
    a_no_answer,
    a_past,
    a_pause,
    a_priority,
    a_reassignment,
    a_release,
    a_reopening,
    a_resumption,
    a_separation,
    a_start,
    a_status,
    a_transfer,
    a_wait,
    a_walk_in,
    an_extension,
    an_open_call,
)
from tests.support.ledger import LedgerDriver, StoredAnswer

TOMORROW = DAY + timedelta(days=1)
RESERVES, NOTIFIES = Limits(not_seen_after=timedelta(hours=20)), Limits(offer=timedelta(0))
OF_AMRANI, OF_OKAFOR, OF_LINDQVIST, X_RAY_OF_AMRANI = BOOKED = (
    an_appointment(DR_AMRANI, number=1),
    an_appointment(DR_OKAFOR, number=2),
    an_appointment(DR_LINDQVIST, number=3),
    an_appointment(DR_AMRANI, number=4, prestation=X_RAY),
)
RESCUE = Rescue(reason=next(iter(RescueReason)))
PAUSES = [timedelta(seconds=seconds) for seconds in (0, 0, 1, 20, 61, 130, 1_200, 2_700)]
RANDOM_STEPS = 40
TIMES, EXCLUSIVE = [NOON, NOON + timedelta(hours=3), NOON + timedelta(days=1)], [CARDIOLOGY, DERMATOLOGY]
KINDS = {kind.__name__ for kind in get_args(get_args(Change)[0])}


class CheckedVisit:
    """Sends commands to the ledger, and compares every reply with the database."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self.database, self.limits = database, limits
        self.now = NOON
        self.sent = 0
        self.kinds: set[str] = set()
        self.begin(DAY)

    def begin(self, day: date) -> None:
        """The visit of this day takes the messages from now on."""
        self.ledger = LedgerDriver(self.database, day=day, limits=self.limits)

    @property
    def running(self) -> tuple[Consultation, ...]:
        return self.ledger.state.facts.in_progress

    @property
    def paused(self) -> tuple[Consultation, ...]:
        return self.ledger.state.facts.paused

    async def send(self, command: Command | SystemCommand, later: timedelta = timedelta(0)) -> None:
        """Send the command so much later, with the appointment as it is stored."""
        self.now += later
        if isinstance(command, SystemCommand):
            await self.ledger.record(self.ledger.entry_of(decide(command, self.ledger.state, self.now)))
            await self._check()
            return
        self.sent += 1
        fresh = command.model_copy(update={"request": a_request(str(self.sent))})
        if not isinstance(command, ConsultationCommand | RecordCommand | PatientCommand | OpenWalkIn):
            fresh = fresh.model_copy(update={"appointment": await self.ledger.appointment(command.appointment.id)})
        await self._check(fresh, await self.ledger.send(fresh, self.now))

    async def record_due(self, later: timedelta = timedelta(0)) -> None:
        """Record all decisions that are due so much later."""
        self.now += later
        while (decision := decide_due(self.ledger.state, self.now)) is not None:
            await self.ledger.record(self.ledger.entry_of(decision))
            await self._check()

    async def _check(self, command: Command | None = None, answer: StoredAnswer | None = None) -> None:
        def read(connection: Connection) -> tuple[Facts, object]:
            tracking = None if command is None else tracking_of(connection, command)
            return read_facts(connection, JOHN_DOE.id), tracking

        facts, tracking = await self.database.read(read)

        assert self.ledger.state.facts == facts
        if answer is not None and answer.status < 300 and isinstance(command, CheckIn | CheckOut | ConsultationCommand):
            assert answer.body == tracking
        decided = [change for each in self.ledger.reported for change in each.entry.decision.changes]
        self.kinds |= {type(change).__name__ for change in decided}


def tracking_of(connection: Connection, command: Command) -> object:
    """The stored tracking that the command is about, as an answer shows it."""
    if isinstance(command, ConsultationCommand):
        row = tracking_of_consultation(connection, command.consultation_id)
        return None if row is None else consultation_body(row)
    if isinstance(command, RecordCommand | PatientCommand | OpenWalkIn):
        return None
    row = latest_tracking(connection, command.appointment.id)
    return None if row is None else tracking_body(row)


#: As a client knows the record that is merged. The ledger replies with the record as it is.
MARIA = SeenRecord(id=MARIA_SILVA.id, person_id=MARIA_SILVA.id, record_ids=(MARIA_SILVA.id,))


async def check_busy_days(visit: CheckedVisit) -> None:
    """Two days of a patient with three check-ins, three doctors, and offers that reserve."""
    for two_records in (a_merge(MARIA), a_separation(MARIA), a_merge(MARIA)):
        await visit.send(two_records)
    for arrived in (a_check_in(OF_AMRANI), a_check_in(OF_OKAFOR), a_check_in(X_RAY_OF_AMRANI)):
        await visit.send(arrived)
    # One check-in gets another doctor and prestation, and its time passes to the next day.
    later = NOON + timedelta(hours=20)
    await visit.send(a_change(X_RAY_OF_AMRANI, doctor_id=DR_SMITH.id, prestation_id=DERMATOLOGY.id, scheduled_at=later))
    await visit.send(a_change(X_RAY_OF_AMRANI, doctor_id=DR_AMRANI.id, prestation_id=X_RAY.id, scheduled_at=NOON))
    # The check-ins become consultations in another order than that of the arrivals.
    await visit.send(a_start(X_RAY_OF_AMRANI), minutes(1))
    await visit.send(a_start(OF_OKAFOR), minutes(1))
    await visit.send(a_start(OF_AMRANI, wait=True), minutes(1))
    await visit.send(a_start(OF_LINDQVIST, wait=True), minutes(1))
    with_okafor = visit.running[0]
    assert with_okafor.appointment_id == OF_OKAFOR.id
    await visit.send(an_extension(with_okafor, 5), minutes(2))
    await visit.record_due(minutes(40))
    # During the pause Dr. Amrani has the offer, and does not use it. Dr. Lindqvist does, and then the pause ends.
    await visit.send(a_pause(with_okafor), minutes(1))
    await visit.record_due(minutes(1))
    await visit.send(a_start(OF_LINDQVIST), minutes(1) / 2)
    with_lindqvist = next(each for each in visit.running if each.appointment_id == OF_LINDQVIST.id)
    await visit.send(a_resumption(OF_OKAFOR, with_okafor), minutes(1))
    await visit.send(a_release(with_lindqvist), minutes(1))
    await visit.send(a_resumption(OF_OKAFOR, with_okafor), minutes(1) / 2)
    await visit.send(a_start(OF_LINDQVIST, wait=True), minutes(1))
    await visit.send(a_completion(with_okafor), minutes(1))
    # Dr. Amrani has the offer. It is withdrawn, and made again at the second end.
    await visit.send(a_reopening(OF_OKAFOR, a_past(OF_OKAFOR, consultation_id=with_okafor.id)))
    await visit.send(a_completion(with_okafor), minutes(1))
    # Dr. Amrani does not use the offer, and Dr. Lindqvist leaves with the next one.
    await visit.record_due(minutes(1))
    await visit.send(a_leave(OF_LINDQVIST))
    await visit.send(a_start(OF_AMRANI))
    # The limit of this pause is noticed too late, so it gets another one. Then the start is taken back.
    with_amrani = next(each for each in visit.running if each.appointment_id == OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), minutes(1))
    await visit.record_due(RESERVES.pause_limit + minutes(2))
    await visit.send(a_release(with_amrani), minutes(5))
    # The end of the reservation after a transfer is noticed too late, so it gets another one.
    await visit.send(a_start(OF_AMRANI), minutes(1))
    with_amrani = next(each for each in visit.running if each.appointment_id == OF_AMRANI.id)
    await visit.send(a_transfer(OF_AMRANI, with_amrani, DR_LINDQVIST), minutes(1))
    await visit.record_due(RESERVES.call + minutes(2))
    await visit.record_due(RESERVES.call)
    # Dr. Lindqvist calls the patient, who does not come, and once more, and then does not start.
    await visit.send(a_call(OF_LINDQVIST), minutes(1))
    called_at = visit.now
    await visit.send(a_no_answer(OF_LINDQVIST, an_open_call(OF_LINDQVIST, called_at, called_at)), minutes(1))
    await visit.send(a_call(OF_LINDQVIST), minutes(1))
    await visit.record_due(RESERVES.call)
    await visit.send(a_change(OF_AMRANI, doctor_id=DR_OKAFOR.id))
    await visit.send(a_priority(OF_LINDQVIST, 2))
    await visit.send(a_status(OF_LINDQVIST, AppointmentStatus.canceled))
    await visit.send(a_walk_in(an_appointment(DR_SMITH, number=LOWEST_MINTED_ID)))
    await visit.send(RESCUE)
    visit.begin(TOMORROW)
    visit.now = visit.ledger.state.day_starts_at
    await visit.send(Adopt(), minutes(2))
    # The check-in's time limit is noticed too late, so it gets another one.
    await visit.record_due(timedelta(hours=6))
    await visit.send(a_change(OF_AMRANI, scheduled_at=visit.now + timedelta(hours=1)))
    await visit.send(CheckOut(request=a_request("check-out"), appointment=OF_AMRANI), minutes(1))


async def check_notified_line(visit: CheckedVisit) -> None:
    """A line of doctors who are only notified when the patient is free."""
    await visit.send(a_start(OF_OKAFOR))
    await visit.send(a_wait(OF_AMRANI), minutes(1))
    await visit.send(a_completion(visit.running[0]), minutes(1))
    await visit.send(a_start(OF_LINDQVIST), minutes(1))


async def test_reply_is_right_for_each_kind_of_change(database: Database) -> None:
    await database.write(seed, *BOOKED)
    visit = CheckedVisit(database, RESERVES)

    await check_busy_days(visit)

    assert visit.kinds == KINDS - {"WithdrawOffer"}


async def test_reply_is_right_when_offers_do_not_reserve(database: Database) -> None:
    await database.write(seed, *BOOKED)
    visit = CheckedVisit(database, NOTIFIES)

    await check_notified_line(visit)

    assert {"OfferPatient", "WithdrawOffer"} <= visit.kinds


@pytest.mark.parametrize("limits", [RESERVES, NOTIFIES], ids=["offers reserve", "offers notify"])
async def test_reply_is_right_after_random_commands(database: Database, limits: Limits) -> None:
    await database.write(seed, *BOOKED)
    visit, random = CheckedVisit(database, limits), Random(7)

    for _ in range(RANDOM_STEPS):
        await visit.record_due(random.choice(PAUSES))
        await visit.send(random_command(random, visit.running, visit.paused))

    assert visit.sent == RANDOM_STEPS


def appointment_of(consultation: Consultation) -> Appointment:
    """The appointment of the consultation."""
    return next(appointment for appointment in BOOKED if appointment.id == consultation.appointment_id)


def random_command(random: Random, running: tuple[Consultation, ...], paused: tuple[Consultation, ...]) -> Command:
    """A command that fits the moment more often than not."""
    appointment = random.choice(BOOKED)
    status = random.choice((AppointmentStatus.scheduled, AppointmentStatus.pending))
    weighted: list[tuple[int, Command]] = [
        (12, a_start(appointment, wait=True)),
        (5, a_check_in(appointment)),
        (2, a_wait(appointment)),
        (1, a_leave(appointment)),
        (1, CheckOut(request=a_request("check-out"), appointment=appointment)),
        (1, a_status(appointment, status)),
        (2, a_change(appointment, scheduled_at=random.choice(TIMES), prestation_id=random.choice(EXCLUSIVE).id)),
        (1, a_change(appointment, doctor_id=random.choice(BOOKED).doctor_id)),
        (1, a_priority(appointment, random.choice((1, None)))),
        (1, a_reassignment(appointment, random.choice((DR_AMRANI, DR_OKAFOR, DR_LINDQVIST)))),
        *(
            (
                2,
                a_transfer(
                    appointment_of(consultation), consultation, random.choice((DR_AMRANI, DR_OKAFOR, DR_LINDQVIST))
                ),
            )
            for consultation in (*running, *paused)
        ),
        *((1, a_completion(consultation)) for consultation in running),
        *((5, a_release(consultation)) for consultation in running),
        *((1, an_extension(consultation, 5)) for consultation in running),
        *((3, a_pause(consultation)) for consultation in running),
        *((3, a_resumption(appointment_of(consultation), consultation)) for consultation in paused),
        *((1, a_completion(consultation)) for consultation in paused),
    ]
    [(_, command)] = random.choices(weighted, [weight for weight, _ in weighted])
    return command
