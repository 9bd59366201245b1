"""Records the workflow histories that `test_replay.py` replays.

Run `python -m tests.workflow.record_histories` when the behaviour of visits changes on purpose, after moving the folder `current`
to the name of the older program. Keep its histories for as long as visits of that program can be open. For a new behaviour, add its
name to the command: then only its histories are written.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, RescueReason
from patient_visit_engine.visit.patient_commands import (
    Adopt,
    CheckInPatient,
    CheckOutPatient,
    Rescue,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.support.merged_visits import MergedVisits
from tests.support.temporal import start_server
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_IMAGING, DR_SURGERY
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

FOLDER = Path(__file__).parent / "histories"
#: The histories of the present program. The other folders belong to older programs.
CURRENT = FOLDER / "current"
A_MINUTE = timedelta(minutes=1)


async def start_refuse_complete(visits: VisitDriver) -> None:
    """A doctor starts, another doctor is refused, the first doctor completes."""
    await visits.check_in(DR_AMRANI)
    started = await visits.start(DR_AMRANI)
    await visits.start(DR_BENNIS)
    await visits.extend(started, 10)
    await visits.complete(started)
    await visits.release(await visits.start(DR_BENNIS))


async def waiting_line_and_offer(visits: VisitDriver) -> None:
    """An offer expires, and the next doctor in line accepts the next offer."""
    started = await visits.start(DR_AMRANI)
    await visits.start(DR_BENNIS, wait=True)
    await visits.wait(DR_CHRAIBI)
    await visits.complete(started)
    await visits.skip_time(until=await visits.now() + A_MINUTE + timedelta(seconds=20))
    await visits.start(DR_CHRAIBI)


async def timers(visits: VisitDriver) -> None:
    """Two reminders, then the timeout."""
    visits.set_limits(Limits(abandon_after=timedelta(minutes=40)))
    await visits.start(DR_AMRANI)
    await visits.skip_time(until=await visits.now() + timedelta(minutes=61))


async def day_end(visits: VisitDriver) -> None:
    """A consultation and a line run over the day's end. The visit of the new day takes over, and this visit ends."""
    await visits.check_in(DR_CHRAIBI)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) - A_MINUTE)
    started = await visits.start(DR_SURGERY)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) + A_MINUTE)
    tomorrow = visits.today + A_DAY
    await visits.start(DR_AMRANI, day=tomorrow, wait=True)
    await visits.complete(started, day=tomorrow)
    await visits.wait_for_events("consultation.available")
    await visits.wait_until_closed(visits.today)


async def continue_as_new(visits: VisitDriver) -> None:
    """The visit continues as new runs with a consultation and a waiting line."""
    visits.set_limits(Limits(messages_per_run=2))
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.start(DR_IMAGING)
    await visits.complete(started)
    await visits.start(DR_BENNIS)


async def reception_desk(visits: VisitDriver) -> None:
    """Arrivals, departures, statuses and a doctor who stops waiting, and the sweep that looks at the visit."""
    await visits.check_in(DR_CHRAIBI)
    await visits.check_out(DR_CHRAIBI)
    await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.leave(DR_BENNIS)
    await visits.set_status(DR_BENNIS, AppointmentStatus.canceled)
    await visits.client.update(visits.patient, visits.today, Adopt())
    await visits.workflow().signal(PatientVisit.patient_freed)


async def signals(visits: VisitDriver) -> None:
    """A start and a completion as signals."""
    start = await visits.start_command(DR_AMRANI)
    await visits.send_signal(start)
    started = await visits.wait_for_answer(start.request)
    complete = visits.complete_command(started)
    await visits.send_signal(complete)
    await visits.wait_for_answer(complete.request)


async def rescue(visits: VisitDriver) -> None:
    """A visit is opened again by a rescue, with a consultation and a doctor in line."""
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    run_id = (await visits.workflow().describe()).run_id
    await visits.client.rescue(visits.patient, visits.today, RescueReason.workflow_task_failed, run_id)
    # As an older program rescued a visit.
    await visits.workflow().execute_update("rescue", Rescue(reason=RescueReason.foreign_workflow))
    await visits.complete(started)


async def ledger_outage(visits: VisitDriver) -> None:
    """The ledger is away: a timer and a start fail. When it is back, a start ends the pause."""
    await visits.check_in(DR_CHRAIBI)
    visits.ledger.failures = 1_000
    await visits.workflow().signal("patient_freed")
    await wait_until_async(visits.has_failed_call, "the visit pauses")
    with suppress(WorkflowUpdateFailedError):
        await visits.start(DR_AMRANI)
    visits.ledger.failures = 0
    await visits.complete(await visits.start(DR_AMRANI))


async def opened_ahead(visits: VisitDriver) -> None:
    """A worker opens the visit before its first message. A doctor starts and completes, and the day ends."""
    await visits.client.open(visits.patient, visits.today)
    await visits.snapshot()
    await visits.complete(await visits.start(DR_AMRANI))
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) + CARRY_OVER_WITHIN)
    await visits.wait_until_closed(visits.today)


async def changed_appointments(visits: VisitDriver) -> None:
    """The hospital's own system changes an appointment with a check-in, one with a place in line, and one in consultation."""
    await visits.check_in(DR_CHRAIBI)
    await visits.change(DR_CHRAIBI, doctor_id=DR_SURGERY)
    await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.change(DR_BENNIS, scheduled_at=await visits.now() + A_DAY)
    await visits.change(DR_AMRANI, status=AppointmentStatus.canceled)


async def merged_records(visits: VisitDriver) -> None:
    """Another record is merged while both are in consultation. When both have ended, it is separated again."""
    both = MergedVisits(visits)
    await both.insert_other()
    own = await visits.start(DR_AMRANI)
    other = await both.send(await both.start_command(DR_BENNIS, "other"))
    await visits.send(await both.merge_command())
    await visits.start(DR_CHRAIBI)
    await visits.complete(own)
    await visits.complete(other)
    await visits.send(await both.separate_command())


async def retired_record(visits: VisitDriver) -> None:
    """The patient's record is retired while its visit runs. The visit ends."""
    both = MergedVisits(visits)
    await both.insert_other()
    await visits.start(DR_AMRANI)
    await both.retire_patient()
    await visits.client.end_retired(visits.patient, visits.today)
    await visits.wait_until_closed(visits.today)


async def taken_back(visits: VisitDriver) -> None:
    """Reception and a supervisor take back a check-in, a check-out and a start."""
    await visits.check_in(DR_AMRANI)
    await visits.undo_check_in(DR_AMRANI)
    await visits.check_in(DR_AMRANI)
    await visits.check_out(DR_AMRANI)
    await visits.undo_check_out(DR_AMRANI)
    await visits.undo_start(await visits.start(DR_AMRANI))


async def arrivals_of_a_patient(visits: VisitDriver) -> None:
    """Reception checks the patient in and out for all appointments at once, and takes both back."""
    await visits.of_patient(CheckInPatient)
    await visits.of_patient(CheckOutPatient)
    await visits.of_patient(UndoCheckOutPatient)
    await visits.of_patient(UndoCheckInPatient)


async def walk_in(visits: VisitDriver) -> None:
    """A patient without an appointment is seen, and comes once more."""
    await visits.walk_in(DR_AMRANI)
    await visits.walk_in(DR_BENNIS)
    await visits.complete(await visits.start(DR_AMRANI))


async def reopened(visits: VisitDriver) -> None:
    """A completion is taken back while the next doctor has the offer. The consultation goes on and is completed again."""
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.complete(started)
    await visits.reopen(started, DR_AMRANI)
    await visits.complete(started)
    await visits.start(DR_BENNIS)
    await visits.reopen(started, DR_AMRANI)


async def canceled(visits: VisitDriver) -> None:
    """Appointments are canceled before and after the arrival. Both cancellations are taken back."""
    await visits.cancel(DR_BENNIS, CancelReason.no_show)
    await visits.undo_cancel(DR_BENNIS)
    await visits.check_in(DR_AMRANI)
    await visits.cancel(DR_AMRANI, CancelReason.patient)
    await visits.undo_cancel(DR_AMRANI)


async def priorities(visits: VisitDriver) -> None:
    """Reception sets a priority before the arrival, and removes it after the check-in."""
    await visits.set_priority(DR_AMRANI, 1)
    await visits.check_in(DR_AMRANI)
    await visits.set_priority(DR_AMRANI, None)


async def reassigned(visits: VisitDriver) -> None:
    """A patient who is checked in gets another doctor, while the former one waits in line."""
    await visits.check_in(DR_BENNIS)
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.reassign(DR_BENNIS, DR_IMAGING)
    await visits.complete(started)


async def paused(visits: VisitDriver) -> None:
    """A doctor pauses, another doctor has the patient, the first one resumes with the offer. A second pause reaches its limit."""
    visits.set_limits(Limits(pause_limit=timedelta(minutes=40)))
    started = await visits.start(DR_AMRANI)
    await visits.pause(started)
    other = await visits.start(DR_BENNIS)
    await visits.resume(started, DR_AMRANI)
    await visits.complete(other)
    await visits.resume(started, DR_AMRANI)
    await visits.pause(started)
    await visits.skip_time(until=await visits.now() + timedelta(minutes=41))


async def transferred(visits: VisitDriver) -> None:
    """A doctor transfers the patient to another doctor, who does not start in time, so that the line has the patient."""
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.transfer(started, DR_AMRANI, DR_IMAGING)
    await visits.skip_time(until=await visits.now() + timedelta(minutes=4))


async def called(visits: VisitDriver) -> None:
    """A doctor calls the patient twice: the patient does not come, and then the call is not used. Another doctor has the patient."""
    await visits.check_in(DR_AMRANI)
    await visits.call(DR_AMRANI)
    await visits.no_answer(DR_AMRANI)
    await visits.call(DR_AMRANI)
    await visits.skip_time(until=await visits.now() + timedelta(minutes=4))
    await visits.call(DR_BENNIS)
    await visits.start(DR_BENNIS)


BEHAVIOURS: tuple[Callable[[VisitDriver], Awaitable[None]], ...] = (
    start_refuse_complete,
    waiting_line_and_offer,
    timers,
    day_end,
    continue_as_new,
    reception_desk,
    signals,
    rescue,
    ledger_outage,
    opened_ahead,
    changed_appointments,
    merged_records,
    retired_record,
    taken_back,
    arrivals_of_a_patient,
    walk_in,
    reopened,
    canceled,
    priorities,
    reassigned,
    paused,
    transferred,
    called,
)


def without_stack_traces(history: str) -> str:
    """The same history without the stack traces of failures: they name folders of the machine, and a replay does not read them."""
    without: dict[str, Any] = json.loads(history, object_hook=_drop_stack_trace)
    return json.dumps(without, indent=2)


def _drop_stack_trace(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "stackTrace"}


async def record(folder: Path, names: Collection[str] = ()) -> None:
    """Write the histories of the behaviours with these names to the folder, or of all. One file for each run."""
    async with await start_server() as environment:
        with environment.with_time_skipping_disabled():
            for patient, behaviour in enumerate(BEHAVIOURS, 1):
                if names and behaviour.__name__ not in names:
                    continue
                with tempfile.TemporaryDirectory() as folder_name:
                    url = f"sqlite+aiosqlite:///{folder_name}/visits.db"
                    await asyncio.to_thread(migrations.upgrade, url)
                    database = Database(url)
                    visits = VisitDriver(environment, database, patient)
                    await visits.insert_patient()
                    await visits.start_worker()
                    await behaviour(visits)
                    await visits.stop_worker()
                    for run, history in enumerate(await visits.histories(), 1):
                        text = without_stack_traces(history.to_json())
                        (folder / f"{behaviour.__name__}.{run}.json").write_text(text + "\n")
                    await database.close()


if __name__ == "__main__":
    asyncio.run(record(CURRENT, sys.argv[1:]))
