"""The events of merges of patient records, and of separations."""

from collections.abc import Iterator

from patient_visit_engine.visit import changes
from patient_visit_engine.wire import event_bodies
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event, EventContext
from patient_visit_engine.wire.event_names import PATIENT_MERGED, PATIENT_SEPARATED


def merged(change: changes.RetireRecord, context: EventContext) -> Iterator[Event]:
    data: event_bodies.PatientMerged = {
        **context.about_patient(f"Record {change.retired_id} was merged into patient {context.patient_name}"),
        "retired": list(change.record_ids),
        "both_in_consultation": change.both_in_consultation,
    }
    yield context.new_event(PATIENT_MERGED, CONSULTATIONS, f"{context.decision_key}/{change.retired_id}", data)


def separated(change: changes.RestoreRecord, context: EventContext) -> Iterator[Event]:
    data: event_bodies.PatientSeparated = {
        **context.about_patient(f"Record {change.restored_id} was separated from patient {context.patient_name}"),
        "separated_id": change.restored_id,
        "retired": list(change.record_ids),
    }
    yield context.new_event(PATIENT_SEPARATED, CONSULTATIONS, f"{context.decision_key}/{change.restored_id}", data)
