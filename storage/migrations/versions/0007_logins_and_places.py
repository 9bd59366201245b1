"""Login names without case, and the addresses where accounts have signed in. Failed sign-ins are no longer stored."""

import unicodedata
from collections.abc import Iterator
from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

# Repeated here and not imported from the tables, because a released revision must never change its effect.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(24), "sqlite")


def upgrade() -> None:
    """Give each account its login. Accounts that differ only in case all stay usable under their own spelling."""
    op.add_column("accounts", sa.Column("login", sa.String(600)))
    accounts = sa.table("accounts", *map(sa.column, ("id", "username", "revoked_at", "login")))
    connection = op.get_bind()
    is_revoked = accounts.c.revoked_at.is_not(None)
    rows = connection.execute(sa.select(accounts.c.id, accounts.c.username, is_revoked).order_by(accounts.c.id)).all()
    for account_id, login in _logins([(row[0], row[1], row[2]) for row in rows]):
        connection.execute(sa.update(accounts).where(accounts.c.id == account_id).values(login=login))
    op.create_index("one_account_per_login", "accounts", ["login"], unique=True)
    op.create_table(
        "sign_in_places",
        sa.Column("id", ID, nullable=False),
        sa.Column("place", sa.String(64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("one_row_per_place_and_account", "sign_in_places", ["place", "account_id"], unique=True)
    op.create_index("sign_in_places_by_age", "sign_in_places", ["seen_at"])
    op.drop_table("sign_in_failures")


def downgrade() -> None:
    """Go back to names with case. The known addresses are lost, and the older program does not use them."""
    op.create_table(
        "sign_in_failures",
        sa.Column("id", ID, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sign_in_failures_by_who", "sign_in_failures", ["who", "at"])
    op.drop_table("sign_in_places")
    op.drop_index("one_account_per_login", "accounts")
    op.drop_column("accounts", "login")


def _fold(username: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", username).casefold())


def _logins(accounts: list[tuple[int, str, bool]]) -> Iterator[tuple[int, str | None]]:
    """The id and the login of each account: its id, its username, and whether it is revoked.

    Of accounts with one folded name, the one that is spelled like it gets it, or else the oldest, but first those that are not
    revoked. The others keep their spelling, so each is found by its exact name as before, and no new account can take the folded
    name. A revoked account that is spelled like it gets none, because it is not found any more.
    """

    def rank(account: tuple[int, str, bool]) -> tuple[str, bool, bool, int]:
        account_id, username, is_revoked = account
        return _fold(username), is_revoked, username != _fold(username), account_id

    for login, group in groupby(sorted(accounts, key=rank), key=lambda account: _fold(account[1])):
        (first, _, _), *others = group
        yield first, login
        for account_id, username, _ in others:
            yield account_id, None if username == login else username
