"""Who sent a command to a visit, and the identity under which its answer is stored."""

from datetime import datetime

from pydantic import Field

from patient_visit_engine.visit.frozen import Frozen, is_false


class Request(Frozen):
    """Who sent the command, and the identity under which its answer is stored.

    `id` is the SHA-256 of the caller and the Idempotency-Key. `fingerprint` is the SHA-256 of method, path and body.

    `asked_at` is the database's time when the API got the request. None in requests of earlier versions.
    After `valid_until`, also on the database's clock, the command has no effect. None: it is valid however late it comes.
    `asynchronous`: the caller did not wait, so the ledger stores an answer when the request has expired.
    `http_request_id` is the `X-Request-ID` of the HTTP request that sent the command, to find it in the logs.
    `sent_by_feed`: another system of the hospital sent it, and not staff. So it does not make the later messages of that system old.
    """

    id: str
    caller_id: int
    fingerprint: str
    asked_at: datetime | None = None
    valid_until: datetime | None = None
    asynchronous: bool = False
    http_request_id: str | None = None
    sent_by_feed: bool = Field(default=False, exclude_if=is_false)
