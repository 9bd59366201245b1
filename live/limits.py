"""The bounds of the stream, each with a name and a default; it must not know who sets them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Times in seconds, sizes in bytes."""

    #: Streams that one process serves; one more is refused as `streams_exhausted`.
    streams: int = 10_000
    #: Streams of one user; one more is refused as `too_many_streams`.
    streams_per_user: int = 16
    #: Frames kept for readers that fall behind: whoever has been live and lags further is cut off.
    ring_frames: int = 4_096
    ring_bytes: int = 16 * 1024 * 1024
    #: How much is joined into one write.
    joined_bytes: int = 64 * 1024
    #: Entries a page of the log.
    page: int = 200
    #: Pages of the log that readers may ask for at the same time, so that a wave of reconnects leaves the database to others.
    pages_at_once: int = 2
    #: A hint can be lost; this is how long an event then waits.
    poll_every: float = 1.0
    #: A reading of the log that takes longer has failed: a connection can fall silent without an end.
    read_within: float = 3.0
    #: When the log was last found level so long ago it is out of sight: no heartbeat says that all is well, no stream is opened.
    out_of_sight_after: float = 5.0
    heartbeat_every: float = 15.0
    sweep_every: float = 1.0
    #: A write that the connection has not taken for so long ends the stream.
    stalled_after: float = 30.0
    #: A stream lives between 80 % and 100 % of this, so that streams opened together do not end together.
    lifetime: float = 600.0
    #: How long `drain` waits for connections that do not take their last bytes.
    farewell: float = 1.0
    #: How long a browser waits before it comes back, as it is told when the stream opens.
    retry: float = 2.0
    #: When the process stops, readers come back between `retry` and this, so that they do not come all at once.
    retry_spread: float = 6.0


DEFAULT_LIMITS = StreamLimits()
