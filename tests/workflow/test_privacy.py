"""Workflow histories contain ids, numbers and codes. They contain no identity of a patient, and no text that a person wrote."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from tests.support.patient_records import Answer
from tests.support.visit_rows import (
    BIRTH_DATE,
    DOCTOR_NAMES,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_DAOUDI,
    DR_IMAGING,
    PATIENT_NAME,
    RECORD_NUMBER,
)
from tests.support.visits import VisitDriver

REASON = "forgot to sign out"
KEY = "the-key-that-a-client-made-up"


async def _release_with_reason(visits: VisitDriver, start: Answer) -> None:
    command = visits.release_command(start)
    await visits.database.write(open_request, command.request, await visits.now(), reason=REASON)
    await visits.send(command)


async def _send_every_kind_of_message(visits: VisitDriver) -> None:
    await visits.check_in(DR_CHRAIBI)
    await visits.check_out(DR_CHRAIBI)
    await visits.set_status(DR_CHRAIBI, AppointmentStatus.scheduled)
    await visits.change(DR_CHRAIBI, doctor_id=DR_DAOUDI, scheduled_at=await visits.now())
    started = await visits.start(DR_AMRANI, key=KEY)
    await visits.start(DR_BENNIS, wait=True)
    await visits.wait(DR_CHRAIBI)
    await visits.start(DR_IMAGING)
    await visits.extend(started, 10)
    await visits.complete(started, by=DR_DAOUDI)
    visits.ledger.failures = 2
    await visits.complete(started)
    await visits.leave(DR_BENNIS)
    visits.ledger.lost_answers = 2
    second_start = await visits.start(DR_CHRAIBI)
    await _release_with_reason(visits, second_start)
    signal = await visits.start_command(DR_DAOUDI)
    await visits.send_signal(signal)
    await visits.wait_for_answer(signal.request)
    await visits.skip_time(until=await visits.now() + timedelta(minutes=21))


async def test_histories_have_no_names_reasons_or_keys(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=6))
    await _send_every_kind_of_message(visits)

    histories = await visits.histories()

    content = b"".join(event.SerializeToString() for history in histories for event in history.events)
    secrets = [
        *PATIENT_NAME,
        BIRTH_DATE,
        RECORD_NUMBER,
        *DOCTOR_NAMES.values(),
        "Cardiology",
        "Radiography",
        REASON,
        KEY,
    ]
    assert len(histories) > 1
    assert b"appointment" in content
    assert [secret for secret in secrets if secret.encode() in content] == []


async def test_failure_in_history_quotes_no_row(visits: VisitDriver, short_ledger_retries: None) -> None:
    start = await visits.start_command(DR_AMRANI)
    visits.ledger.failures = 1_000
    with pytest.raises(WorkflowUpdateFailedError):
        await visits.send(start)

    (history,) = await visits.histories()

    content = b"".join(event.SerializeToString() for event in history.events)
    assert b"ConnectionRefusedError" in content
    assert [word for word in (*PATIENT_NAME, BIRTH_DATE, RECORD_NUMBER, REASON) if word.encode() in content] == []
