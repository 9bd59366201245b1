"""Records the histories that replays are checked against; it must not know what a replay makes of them.

Run it when a visit's behaviour changes on purpose: `python -m tests.workflow.record_histories`. Histories of released versions
stay beside the new ones for as long as visits that began under them may be open.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.calendar import day_ends_at
from patient_visit_engine.visit.state import Limits
from tests.support.temporal import start_server
from tests.support.visits import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_IMAGING, DR_SURGERY, VisitDriver

FOLDER = Path(__file__).parent / "histories"
A_MINUTE = timedelta(minutes=1)


async def start_refuse_complete(clinic: VisitDriver) -> None:
    """A doctor starts, another is refused, the first completes."""
    await clinic.check_in(DR_AMRANI)
    begun = await clinic.start(DR_AMRANI)
    await clinic.start(DR_BENNIS)
    await clinic.extend(begun, 10)
    await clinic.complete(begun)
    await clinic.release(await clinic.start(DR_BENNIS))


async def waiting_line_and_offer(clinic: VisitDriver) -> None:
    """An offer passes down the line, and the next doctor takes it up."""
    begun = await clinic.start(DR_AMRANI)
    await clinic.start(DR_BENNIS, wait=True)
    await clinic.wait(DR_CHRAIBI)
    await clinic.complete(begun)
    await clinic.time_passes(until=await clinic.now() + A_MINUTE + timedelta(seconds=20))
    await clinic.start(DR_CHRAIBI)


async def timers(clinic: VisitDriver) -> None:
    """Two reminders, then the consultation times out."""
    clinic.goes_by(Limits(abandon_after=timedelta(minutes=40)))
    await clinic.start(DR_AMRANI)
    await clinic.time_passes(until=await clinic.now() + timedelta(minutes=41))


async def midnight(clinic: VisitDriver) -> None:
    """A consultation runs over midnight; its end frees the next day's visit and closes its own."""
    await clinic.check_in(DR_CHRAIBI)
    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) - A_MINUTE)
    begun = await clinic.start(DR_SURGERY)
    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) + A_MINUTE)
    await clinic.start(DR_AMRANI, day=clinic.today + A_DAY, wait=True)
    await clinic.complete(begun)
    await clinic.eventually(lambda: clinic.told("consultation.available"))


async def continue_as_new(clinic: VisitDriver) -> None:
    """The visit goes on in new runs with a consultation and a line."""
    clinic.goes_by(Limits(messages_per_run=2))
    begun = await clinic.start(DR_AMRANI)
    await clinic.wait(DR_BENNIS)
    await clinic.start(DR_IMAGING)
    await clinic.complete(begun)
    await clinic.start(DR_BENNIS)


async def signals(clinic: VisitDriver) -> None:
    """A start and a completion of callers who do not wait."""
    start = await clinic.to_start(DR_AMRANI)
    await clinic.visits.signal(clinic.patient, clinic.today, start)
    begun = await clinic.eventually(lambda: clinic.answer(start.request))
    complete = clinic.to_complete(begun)
    await clinic.visits.signal(clinic.patient, clinic.today, complete)
    await clinic.eventually(lambda: clinic.answer(complete.request))


BEHAVIOURS: tuple[Callable[[VisitDriver], Awaitable[None]], ...] = (
    start_refuse_complete,
    waiting_line_and_offer,
    timers,
    midnight,
    continue_as_new,
    signals,
)


async def record_all(folder: Path) -> None:
    """Write each behaviour's histories to the folder, one file a run."""
    async with await start_server() as env:
        with env.with_time_skipping_disabled():
            for patient, behave in enumerate(BEHAVIOURS, 1):
                with tempfile.TemporaryDirectory() as home:
                    url = f"sqlite+aiosqlite:///{home}/visits.db"
                    await asyncio.to_thread(migrations.upgrade, url)
                    database = Database(url)
                    clinic = VisitDriver(env, database, patient)
                    await clinic.furnish()
                    await clinic.hire()
                    await behave(clinic)
                    await clinic.dismiss()
                    for run, history in enumerate(await clinic.histories(), 1):
                        (folder / f"{behave.__name__}.{run}.json").write_text(history.to_json() + "\n")
                    await database.close()


if __name__ == "__main__":
    asyncio.run(record_all(FOLDER))
