"""Whether the ports of the settings can be listened on, asked before anything starts; it must not know what will listen."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from patient_visit_engine.runtime.operator_error import OperatorError

#: How long a port may stay taken by a process that is just dying.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Port:
    """A setting's name, and the address that it means."""

    variable: str
    host: str
    number: int


async def check(ports: Sequence[Port]) -> None:
    """Raise `OperatorError`, which names the variable, unless each port is free and no two are the same."""
    seen: dict[int, str] = {}
    for port in ports:
        if port.number in seen:
            raise OperatorError(f"{port.variable}: port {port.number} is {seen[port.number]}'s already", 2)
        seen[port.number] = port.variable
    deadline = monotonic() + PATIENCE_SECONDS
    for port in ports:
        while (reason := _obstacle(port)) is not None:
            if monotonic() >= deadline:
                raise OperatorError(reason, 2)
            await asyncio.sleep(0.05)


def _obstacle(port: Port) -> str | None:
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            port.host, port.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        return f"VISIT_HTTP_HOST: {port.host} is not an address of this machine"
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return f"VISIT_HTTP_HOST: {port.host} is not an address of this machine"
            reason = "in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
            return f"{port.variable}: port {port.number} on {port.host} is {reason}"
    return None
