"""Gives each caller an id. A workflow carries only the id, so that no text from a client enters its history."""

from sqlalchemy import BigInteger, Connection, case, cast, func, select

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import accounts, callers

#: The beginning of the subject of an account. Its number follows.
ACCOUNT_PREFIX = "account:"
# With CASE, because a database may cast the subject of a token before it compares the beginnings.
_ACCOUNT_ID = case(
    (
        callers.c.subject.like(f"{ACCOUNT_PREFIX}%"),
        cast(func.substr(callers.c.subject, len(ACCOUNT_PREFIX) + 1), BigInteger),
    )
)
#: The name of a caller's account, in a query of callers. NULL for a caller without an account.
NAME_OF_CALLER = select(accounts.c.name).where(accounts.c.id == _ACCOUNT_ID).correlate(callers).scalar_subquery()


def find_caller(connection: Connection, subject: str) -> int | None:
    """Return the id of `subject`, or None if it never sent a command.

    A subject is `account:7` for an account, or `token:` and the subject of a bearer token.
    """
    return connection.scalar(select(callers.c.id).where(callers.c.subject == subject))


def register_caller(connection: Connection, subject: str, created_by: str) -> int:
    """Return the id of `subject`, and create it if there is none. `created_by` is the text that trackings show."""
    insert_if_new(connection, callers, by="subject", subject=subject, created_by=created_by)
    caller_id: int = connection.execute(select(callers.c.id).where(callers.c.subject == subject)).scalar_one()
    return caller_id
