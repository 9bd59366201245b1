"""What may stand in a workflow's history for ever: ids, numbers and codes, and nothing that a person wrote or is called."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import ReleaseConsultation
from patient_visit_engine.visit.state import Limits
from tests.support.visits import (
    DOCTOR_NAMES,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_DAOUDI,
    DR_IMAGING,
    PATIENT_NAME,
    Answer,
    VisitDriver,
)

REASON = "forgot to sign out"
KEY = "the-key-that-a-client-made-up"


async def _release_with_a_reason(clinic: VisitDriver, begun: Answer) -> None:
    command = ReleaseConsultation(request=clinic.request(), patient_id=clinic.patient, consultation_id=begun.body["id"])
    await clinic.database.write(open_request, command.request, await clinic.now(), reason=REASON)
    await clinic.send(command)


async def _everything_that_can_happen(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_CHRAIBI)
    await clinic.check_out(DR_CHRAIBI)
    await clinic.set_status(DR_CHRAIBI, AppointmentStatus.scheduled)
    begun = await clinic.start(DR_AMRANI, key=KEY)
    await clinic.start(DR_BENNIS, wait=True)
    await clinic.wait(DR_CHRAIBI)
    await clinic.start(DR_IMAGING)
    await clinic.extend(begun, 10)
    await clinic.complete(begun, by=DR_DAOUDI)
    clinic.ledger.fails = 2
    await clinic.complete(begun)
    await clinic.leave(DR_BENNIS)
    clinic.ledger.loses_answers = 2
    taken_up = await clinic.start(DR_CHRAIBI)
    await _release_with_a_reason(clinic, taken_up)
    signalled = await clinic.to_start(DR_DAOUDI)
    await clinic.visits.signal(clinic.patient, clinic.today, signalled)
    await clinic.eventually(lambda: clinic.answer(signalled.request))
    await clinic.time_passes(until=await clinic.now() + timedelta(minutes=21))


async def test_histories_hold_no_names_no_reasons_and_no_keys(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(messages_per_run=6))
    await _everything_that_can_happen(clinic)

    histories = await clinic.histories()

    kept = b"".join(event.SerializeToString() for history in histories for event in history.events)
    secrets = [*PATIENT_NAME, *DOCTOR_NAMES.values(), "Cardiology", "Radiography", REASON, KEY]
    assert len(histories) > 1
    assert b"appointment" in kept
    assert [secret for secret in secrets if secret.encode() in kept] == []


async def test_a_failure_that_a_history_keeps_quotes_no_row(clinic: VisitDriver, impatient_visits: None) -> None:
    start = await clinic.to_start(DR_AMRANI)
    clinic.ledger.fails = 1_000
    with pytest.raises(WorkflowUpdateFailedError):
        await clinic.send(start)

    (history,) = await clinic.histories()

    kept = b"".join(event.SerializeToString() for event in history.events)
    assert b"ConnectionRefusedError" in kept
    assert [word for word in (*PATIENT_NAME, REASON) if word.encode() in kept] == []
