"""The routes, a file a subject; they must not know SQL, the ledger or Temporal."""
