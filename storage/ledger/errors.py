"""The error that rolls a transaction of the ledger back, so that its decision is recorded again."""


class OvertakenError(Exception):
    """A row to change has changed already: the decision was overtaken, and its transaction is rolled back."""
