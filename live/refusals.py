"""Why a stream is not opened; it must not know how that is said over a protocol."""


class StreamRefusedError(Exception):
    """No stream now."""

    code = "stream_refused"

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TooManyStreamsError(StreamRefusedError):
    """This user has as many streams open as one user may have."""

    code = "too_many_streams"


class StreamsExhaustedError(StreamRefusedError):
    """All streams of this process are taken."""

    code = "streams_exhausted"


class StreamNotReadyError(StreamRefusedError):
    """The log is out of sight: not read yet, or not lately."""

    code = "stream_not_ready"


class StreamDrainingError(StreamRefusedError):
    """This process is stopping."""

    code = "stream_draining"
