"""Checks before the start that the ports in the settings can be used."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from patient_visit_engine.runtime.operator_error import OperatorError

#: How long to wait for a port that a dying process still uses.
FREE_PORT_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Port:
    """The address of a port, and the settings of its number and its host. Without `host_variable` the host is fixed."""

    variable: str
    host: str
    number: int
    host_variable: str | None = None


async def check_ports(ports: Sequence[Port]) -> None:
    """Raise `OperatorError`, which names the variable, unless all ports are free and different."""
    variable_of_number: dict[int, str] = {}
    for port in ports:
        if port.number in variable_of_number:
            other = variable_of_number[port.number]
            raise OperatorError(f"{port.variable}: port {port.number} is already used by {other}", 2)
        variable_of_number[port.number] = port.variable
    deadline = monotonic() + FREE_PORT_TIMEOUT_SECONDS
    for port in ports:
        while (obstacle := _find_obstacle(port)) is not None:
            if monotonic() >= deadline:
                raise OperatorError(obstacle, 2)
            await asyncio.sleep(0.05)


def _find_obstacle(port: Port) -> str | None:
    """The reason why nothing can listen on the port, or None."""
    wrong_host = f"{port.host_variable or port.variable}: {port.host} is not an address of this machine"
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            port.host, port.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        return wrong_host
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return wrong_host
            reason = "in use" if error.errno == errno.EADDRINUSE else f"not available ({error.strerror})"
            return f"{port.variable}: port {port.number} on {port.host} is {reason}"
    return None
