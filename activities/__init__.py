"""The activities of a visit: the two calls that it makes to the ledger."""
