"""Checks before the start that the ports in the settings can be used."""

import asyncio
import socket
from collections.abc import Sequence
from time import monotonic

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.ports import Port

#: How long to wait for a port that a dying process still uses.
FREE_PORT_TIMEOUT_SECONDS = 1.0


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
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            port.host, port.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return port.describe_error(error)
    return None
