"""The path of a command: from an HTTP request with its Idempotency-Key to the answer that the ledger stores."""
