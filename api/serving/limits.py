"""The limits of connections and requests, with their defaults and reasons."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times in seconds, sizes in bytes."""

    #: Request line and headers. A sign-in cookie and a token of a hospital's own system need less than 8 KiB.
    max_head: int = 32 * 1024
    #: Path and query. The longest address that the page sends has about 700 bytes.
    max_url: int = 8 * 1024
    #: Header lines. A browser behind a proxy sends about 25.
    max_headers: int = 100
    #: A body with the sizes, extensions and trailers of its chunks. The body alone may have `gateway.MAX_BODY` bytes. In chunks of one
    #: byte, that body needs six times as many.
    max_sent_body: int = 128 * 1024
    #: Requests that wait behind a running one on the same connection.
    max_pipelined: int = 16
    #: A connection counts for the limit per address when it has waited for its client this long. When thousands of screens connect at
    #: the same moment, their requests need seconds to arrive and to be read.
    excess_after: float = 3.0
    #: How many times the limit per address may be connected at one moment, and stay until the next check when their requests arrive.
    #: After a restart, all screens behind one router open their streams together.
    burst: int = 12
    #: How much the parser gets at a time. A second head that begins inside such a piece is counted from the next piece on.
    piece: int = 16 * 1024
    #: From the start of a connection to its first byte. Browsers open connections in advance and expect that servers close them.
    first_byte: float = 10.0
    #: From the first byte of a request to the end of its headers.
    head: float = 10.0
    #: From the end of the headers to the end of the body.
    body: float = 20.0
    #: From an answer to the next request. Longer than clients and proxies keep an idle connection (Caddy 120 s, Go 90 s, nginx 60 s), so
    #: that they close it. If the server closed it at the moment of a request, the client would get an error instead of an answer.
    keep_alive: int = 150
    #: How long an answer may wait for a client that reads slowly. Event streams have a limit of the hub (`StreamLimits`).
    answer: float = 60.0
    #: How long and how much of a refused client's bytes are still read and dropped. If the connection were closed with unread bytes,
    #: the kernel would reset it, and the client could lose the answer.
    linger: float = 3.0
    max_lingered: int = 64 * 1024 * 1024
    #: Refused connections that are open at the same time to be read. Any further one is closed with its answer.
    max_lingering: int = 256
    #: Seconds between two checks of all time limits.
    check_interval: float = 1.0


DEFAULT_LIMITS = ConnectionLimits()
