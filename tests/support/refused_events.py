"""Makes the database refuse every event, so that no decision with an event can be recorded."""

from sqlalchemy import Connection

#: Triggers that raise an error with a patient's name.
REFUSE_EVENTS = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no room for John Doe'); END"],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'no room for John Doe'; END$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
ACCEPT_EVENTS = {"sqlite": "DROP TRIGGER refuse", "postgresql": "DROP TRIGGER refuse ON events"}


def refuse_events(connection: Connection) -> None:
    """Refuse every event from now on, as a broken constraint would."""
    for statement in REFUSE_EVENTS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def accept_events(connection: Connection) -> None:
    """Accept events again."""
    connection.exec_driver_sql(ACCEPT_EVENTS[connection.dialect.name])
