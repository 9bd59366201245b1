"""Checks the head of a request that the parser accepts although it is ambiguous or has no valid host (RFC 9112)."""

import re
from collections.abc import Sequence

from patient_visit_engine.api.serving.refusals import bad_host, malformed_request, sent_body_too_large

#: A host name or an address, and an optional port (RFC 3986: a registered name or an IP literal).
HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


def check_head(version: str, headers: Sequence[tuple[bytes, bytes]], max_sent_body: int) -> None:
    """Raise a Problem when the request is refused. The names of the headers are in lower case.

    HTTP/1.0 has no chunks and needs no Host. The parser itself refuses two lengths, and a length together with chunks.
    """
    if version not in ("1.1", "1.0"):
        raise malformed_request()
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if hosts > 1 or not HOST.fullmatch(value.strip()):
                raise bad_host()
        elif name == b"transfer-encoding":
            # The parser would accept `gzip, chunked` and leave the body compressed. An HTTP/1.0 proxy would not see the chunks.
            if version == "1.0" or value.strip().lower() != b"chunked":
                raise malformed_request()
        elif name == b"content-length" and int(value) > max_sent_body:
            raise sent_body_too_large(max_sent_body)
    if not hosts and version == "1.1":
        raise bad_host()
