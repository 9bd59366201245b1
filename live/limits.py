"""The limits of the stream, with their defaults and reasons."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Times in seconds, sizes in bytes."""

    #: Streams of one process. The next one is refused with `streams_exhausted`.
    max_streams: int = 10_000
    #: Streams of one user, so that a program in a loop cannot take all. The next one is refused with `too_many_streams`. A shared
    #: account has one in each browser.
    max_streams_per_user: int = 64
    #: Frames in memory for subscribers that are behind. A subscriber that was live and then needs an older event is ended.
    ring_frames: int = 4_096
    ring_bytes: int = 16 * 1024 * 1024
    #: How much is joined into one write.
    joined_bytes: int = 64 * 1024
    #: Entries that a subscriber's catch-up reads with one query.
    catch_up_page_size: int = 200
    #: Catch-ups that may read a page at the same time. A wave of reconnects must leave the database free for others.
    concurrent_pages: int = 2
    #: The tailer reads this often without a hint. An event is late by this much at most when its hint is lost.
    poll_interval: float = 1.0
    #: A read of the log fails after this time, because a connection can go silent without closing.
    read_timeout: float = 3.0
    #: The log is stale when the tailer has not caught up for this long. Heartbeats stop and no stream is opened.
    stale_after: float = 5.0
    heartbeat_interval: float = 15.0
    deadline_check_interval: float = 1.0
    #: A stream ends when the connection does not take a write for this long.
    stalled_after: float = 30.0
    #: A stream lasts between 80 % and 100 % of this, so that streams opened together do not end together.
    lifetime: float = 600.0
    #: How long `drain` waits for connections that do not take their last bytes.
    close_timeout: float = 1.0
    #: How long a browser waits before it reconnects. It is sent when the stream opens.
    retry: float = 2.0
    #: When the process stops, clients reconnect after a random time between `retry` and this, so not all at the same time.
    longest_retry: float = 6.0


DEFAULT_LIMITS = StreamLimits()
