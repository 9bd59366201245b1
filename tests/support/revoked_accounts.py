"""Revokes accounts directly in the database."""

from datetime import datetime

from sqlalchemy import Connection

from patient_visit_engine.storage.account_changes import AccountChange, change_named_account


def revoke_account(connection: Connection, username: str, now: datetime) -> bool:
    """Close the account, and end its sessions. Returns False when it does not exist."""
    return change_named_account(connection, username, AccountChange(is_active=False), now)
