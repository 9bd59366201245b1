"""The reasons why a stream is not opened. Each docstring is the text of the refusal."""


class StreamRefusedError(Exception):
    """No stream can be opened now."""

    code = "stream_refused"

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TooManyStreamsError(StreamRefusedError):
    """This user already has the maximum number of open streams."""

    code = "too_many_streams"


class StreamsExhaustedError(StreamRefusedError):
    """This process already has the maximum number of open streams."""

    code = "streams_exhausted"


class StreamNotReadyError(StreamRefusedError):
    """This process has not read the event log yet, or not in the last seconds."""

    code = "stream_not_ready"


class StreamDrainingError(StreamRefusedError):
    """This process is stopping."""

    code = "stream_draining"
