"""The phases of a connection, and how a phase ends that no problem is sent for."""

from enum import Enum

NEVER = float("inf")
#: The code under which a connection that never sent a byte is counted.
SILENT = "silent"
#: The code under which a client that does not read its answer in time is counted.
ANSWER_NOT_READ = "answer_not_read"


class Phase(Enum):
    """What a connection waits for."""

    idle = "the first byte of a request"
    head = "the rest of the head"
    body = "the rest of the body"
    answer = "the application"
    #: Nothing more is read from the client. What was accepted is answered.
    closing = "the end of the accepted requests"
    #: The client has its refusal. Its bytes are dropped.
    lingering = "the client to read its refusal"


class PipelineFullError(Exception):
    """More requests wait on this connection than the limit allows."""
