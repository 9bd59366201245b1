"""Writes the pause of a consultation, and what ends it."""

from patient_visit_engine.storage.ledger.writer import PAUSED_CONSULTATION, RUNNING_CONSULTATION, Writer
from patient_visit_engine.storage.row_unions import Columns
from patient_visit_engine.visit.codes import Outcome, TrackingStatus
from patient_visit_engine.visit.consultation_changes import PauseConsultation, ResumeConsultation
from patient_visit_engine.visit.facts import Consultation


def pause_tracking(change: PauseConsultation, writer: Writer) -> None:
    """The consultation no longer counts among those of which a person can have one."""
    consultation = change.consultation
    values = {
        "status": TrackingStatus.paused.value,
        "paused_at": consultation.paused_at,
        "abandon_at": consultation.abandon_at,
        "merged": False,
    }
    writer.update_tracking(RUNNING_CONSULTATION, consultation.id, **values)
    unmark_last_running(writer)


def resume_tracking(change: ResumeConsultation, writer: Writer) -> None:
    """The consultation is in progress again, with its new times."""
    consultation = change.consultation
    values = {
        "status": TrackingStatus.in_progress.value,
        "overdue_at": consultation.overdue_at,
        "remind_at": consultation.remind_at,
        "abandon_at": consultation.abandon_at,
        "changed_at": writer.asking_time,
        **_end_of_pause(consultation.id, writer),
    }
    writer.update_tracking(PAUSED_CONSULTATION, consultation.id, **values)


def complete_paused(consultation: Consultation, outcome: Outcome, writer: Writer) -> None:
    """Complete a consultation that is paused. Its pause ends too, and has moved the expected end."""
    values = {"overdue_at": consultation.overdue_at, **_end_of_pause(consultation.id, writer)}
    writer.complete_tracking(PAUSED_CONSULTATION, consultation.id, outcome, **values)


def unmark_last_running(writer: Writer) -> None:
    """Take the mark of a merge from the person's only exclusive consultation in progress."""
    running = [row for row in writer.stored.rows.running if row["exclusive"]]
    if len(running) == 1 and running[0]["merged"]:
        # The index allows one consultation without a mark, so from now on it protects the person again.
        writer.update_tracking(RUNNING_CONSULTATION, running[0]["consultation_id"], merged=False)


def _end_of_pause(consultation_id: str, writer: Writer) -> Columns:
    """The columns after the pause. `paused_seconds` is the sum of all pauses of the consultation."""
    row = writer.stored.rows.find_tracking(TrackingStatus.paused, "consultation_id", consultation_id)
    if row is None:
        # The update that follows finds no row either, and the decision is overtaken.
        return {}
    seconds = round((writer.at - row["paused_at"]).total_seconds())
    return {"paused_at": None, "paused_seconds": row["paused_seconds"] + max(0, seconds)}
