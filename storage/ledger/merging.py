"""Writes a merge of two patient records, or its separation. The ledger has locked all records of both persons."""

import json

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.writer import Writer
from patient_visit_engine.storage.tables import (
    appointments,
    patient_merges,
    patient_trackings,
    patients,
    reservations,
    waiting_line,
)
from patient_visit_engine.visit.changes import RestoreRecord, RetireRecord
from patient_visit_engine.visit.facts import WaitingDoctor

#: The doctor and the appointment of a place or a reservation.
_Key = tuple[int, int]


def retire_record(change: RetireRecord, writer: Writer) -> None:
    """Give the records, and everything that is open for them, to the visit's patient."""
    connection, person_id = writer.connection, writer.entry.patient_id
    _mark(connection, change.marked)
    # The unique indexes allow a person one place of a doctor and one reservation, so the others go first.
    records_of_places = _keep_reservation(change, writer)
    records_of_places |= _keep_places(change, writer)
    is_retired = patients.c.id.in_(change.record_ids)
    if connection.execute(update(patients).where(is_retired).values(person_id=person_id)).rowcount != len(
        change.record_ids
    ):
        raise OvertakenError
    _count_versions(connection, person_id)
    is_of_retired = patient_trackings.c.person_id == change.retired_id
    connection.execute(update(patient_trackings).where(is_of_retired).values(person_id=person_id))
    connection.execute(
        insert(patient_merges).values(
            survivor_id=person_id,
            retired_id=change.retired_id,
            records=json.dumps(change.record_ids),
            merged_at=writer.at,
            visit_day=writer.entry.day,
            both_in_consultation=change.both_in_consultation,
            caller_id=writer.stored.caller_id,
        )
    )
    writer.read_again()
    for place in change.line:
        if writer.stored.rows.find_place(place.doctor_id) is None:
            writer.stored.rows.record_ids[place.appointment_id] = records_of_places[_key_of(place)]
            writer.insert_place(place)


def _count_versions(connection: Connection, survivor_id: int) -> None:
    """Give all records of the person one new version, and each appointment of a retired one its next version.

    The same id shows another record before and after, so an `ETag` of one must never be that of the other.
    """
    is_of_person = patients.c.person_id == survivor_id
    newest = connection.scalar(select(func.max(patients.c.version)).where(is_of_person))
    connection.execute(update(patients).where(is_of_person).values(version=newest + 1))
    retired = select(patients.c.id).where(is_of_person, patients.c.id != survivor_id)
    is_shown_otherwise = appointments.c.patient_id.in_(retired)
    connection.execute(update(appointments).where(is_shown_otherwise).values(version=appointments.c.version + 1))


def _key_of(place: WaitingDoctor) -> _Key:
    return place.doctor_id, place.appointment_id


def _mark(connection: Connection, consultation_ids: tuple[str, ...]) -> None:
    """Take these consultations out of the index that allows one for each person."""
    if not consultation_ids:
        return
    is_marked = patient_trackings.c.consultation_id.in_(consultation_ids)
    if connection.execute(update(patient_trackings).where(is_marked).values(merged=True)).rowcount != len(
        consultation_ids
    ):
        raise OvertakenError


def _keep_reservation(change: RetireRecord, writer: Writer) -> dict[_Key, int]:
    """Delete the reservations that end. Returns the record of each reservation's appointment."""
    connection, row = writer.connection, reservations.c
    staying = change.reservation
    records: dict[_Key, int] = {}
    of_both = row.person_id.in_((writer.entry.patient_id, change.retired_id))
    for each in connection.execute(select(reservations).where(of_both)).all():
        records[each.doctor_id, each.appointment_id] = each.patient_id
        if staying is None or each.appointment_id != staying.appointment_id:
            connection.execute(delete(reservations).where(row.person_id == each.person_id))
    connection.execute(update(reservations).where(of_both).values(person_id=writer.entry.patient_id))
    return records


def _keep_places(change: RetireRecord, writer: Writer) -> dict[_Key, int]:
    """Write the order of the line, and delete the places that are not in it. Returns the record of each place's appointment."""
    connection, row = writer.connection, waiting_line.c
    places = {_key_of(place): place for place in change.line}
    of_both = row.person_id.in_((writer.entry.patient_id, change.retired_id))
    stored = connection.execute(select(waiting_line).where(of_both)).all()
    gone = [each.id for each in stored if (each.doctor_id, each.appointment_id) not in places]
    if gone:
        connection.execute(delete(waiting_line).where(row.id.in_(gone)))
    for each in stored:
        if (place := places.get((each.doctor_id, each.appointment_id))) is not None:
            order = {
                "turn": place.turn,
                "unused_offers": place.unused_offers,
                "notified_at": place.notified_at,
                "person_id": writer.entry.patient_id,
            }
            connection.execute(update(waiting_line).where(row.id == each.id).values(**order))
    return {(each.doctor_id, each.appointment_id): each.patient_id for each in stored}


def restore_record(change: RestoreRecord, writer: Writer) -> None:
    """Give the records back what was recorded under them. Nothing is open for the person."""
    connection, restored = writer.connection, {"person_id": change.restored_id}
    _count_versions(connection, writer.entry.patient_id)
    connection.execute(update(patients).where(patients.c.id.in_(change.record_ids)).values(**restored))
    # All rows of a merged record have the survivor's `person_id`, and by it the index finds them.
    is_of_person = patient_trackings.c.person_id == writer.entry.patient_id
    is_recorded = is_of_person & patient_trackings.c.patient_id.in_(change.record_ids)
    connection.execute(update(patient_trackings).where(is_recorded).values(**restored))
    _take_shared_tickets(connection, (writer.entry.patient_id, change.restored_id))
    stands = (patient_merges.c.retired_id == change.restored_id) & patient_merges.c.separated_at.is_(None)
    if connection.execute(update(patient_merges).where(stands).values(separated_at=writer.at)).rowcount != 1:
        raise OvertakenError


def _take_shared_tickets(connection: Connection, person_ids: tuple[int, int]) -> None:
    """A ticket of which both persons have trackings stays with the person who got it first. The other one gets a new ticket."""
    shared, owner, row = patient_trackings.alias("shared"), patient_trackings.alias("owner"), patient_trackings.c
    has_ticket = (shared.c.ticket_day == row.ticket_day) & (shared.c.ticket == row.ticket)
    of_both = select(func.min(shared.c.id)).where(shared.c.person_id.in_(person_ids), has_ticket)
    first_id = of_both.correlate(patient_trackings).scalar_subquery()
    has_other_owner = exists().where(owner.c.id == first_id, owner.c.person_id != row.person_id)
    is_later = row.person_id.in_(person_ids) & row.ticket_day.is_not(None) & has_other_owner
    connection.execute(update(patient_trackings).where(is_later).values(ticket=None, ticket_day=None))
