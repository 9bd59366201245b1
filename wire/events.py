"""The events of each change: name, channel and data. The ledger writes them in the transaction of the change."""

from collections.abc import Iterator
from functools import singledispatch

from patient_visit_engine.visit import changes, consultation_changes, line_changes
from patient_visit_engine.wire import appointment_events, call_events, consultation_events, line_events, merge_events
from patient_visit_engine.wire.event_context import Event, EventContext


@singledispatch
def events_of(change: changes.Change, context: EventContext) -> Iterator[Event]:
    """The events of `change`, in the order in which they are appended to the log."""
    raise TypeError(f"no events are defined for {type(change).__name__}")


@events_of.register
def _without_event(
    change: changes.PostponeNotSeen
    | consultation_changes.PostponePauseLimit
    | line_changes.WithdrawOffer
    | changes.NoteRescue,
    context: EventContext,
) -> Iterator[Event]:
    yield from ()


# The function of each change. A change without one makes `events_of` raise.
events_of.register(consultation_changes.OpenConsultation, consultation_events.opened)
events_of.register(consultation_changes.EndConsultation, consultation_events.ended)
events_of.register(consultation_changes.ReopenConsultation, consultation_events.reopened)
events_of.register(consultation_changes.PauseConsultation, consultation_events.paused)
events_of.register(consultation_changes.ResumeConsultation, consultation_events.resumed)
events_of.register(consultation_changes.TransferConsultation, consultation_events.transferred)
events_of.register(consultation_changes.PostponeConsultation, consultation_events.extended)
events_of.register(consultation_changes.RemindHolder, consultation_events.overdue)
events_of.register(changes.NoteRefusal, consultation_events.refused)
events_of.register(changes.CarryOver, call_events.carried_over)
events_of.register(changes.NoteCall, call_events.called)
events_of.register(changes.WriteNoAnswers, call_events.no_answers_written)
events_of.register(line_changes.PostponeReservation, call_events.reservation_postponed)
events_of.register(line_changes.JoinLine, line_events.joined_line)
events_of.register(line_changes.LeaveLine, line_events.left_line)
events_of.register(line_changes.EndReservation, line_events.reservation_ended)
events_of.register(line_changes.MoveDown, line_events.moved_down)
events_of.register(line_changes.OfferPatient, line_events.offered)
events_of.register(changes.OpenTracking, appointment_events.checked_in)
events_of.register(changes.AddWalkIn, appointment_events.walked_in)
events_of.register(changes.CloseTracking, appointment_events.tracking_closed)
events_of.register(consultation_changes.WaitAgain, appointment_events.waits_again)
events_of.register(changes.WriteAppointmentStatus, appointment_events.status_written)
events_of.register(changes.WritePriority, appointment_events.priority_written)
events_of.register(changes.RewriteAppointment, appointment_events.rewritten)
events_of.register(changes.RetireRecord, merge_events.merged)
events_of.register(changes.RestoreRecord, merge_events.separated)
