"""A fresh schema, for an empty database; it must not know how an older one is brought up to it."""

import secrets

from sqlalchemy import Connection, insert, select

from storage.tables import callers, log_head, metadata

SYSTEM = "system"


def create(connection: Connection) -> None:
    """All tables, the head of an empty log, and the caller that stands for the engine itself."""
    metadata.create_all(connection)
    if connection.scalar(select(log_head.c.id)) is None:
        connection.execute(insert(log_head).values(id=1, seq=0, epoch=secrets.token_hex(4)))
        connection.execute(insert(callers).values(subject=SYSTEM, created_by=SYSTEM))
