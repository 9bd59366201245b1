"""Free TCP ports for the servers of a test."""

import itertools
import os
import random
import socket
from collections.abc import Iterator

#: Below the ports that Linux gives to outgoing connections (from 32768), which could take a port between choice and use.
FIRST_PORT = 10_000
#: Each pytest process has a range for itself, so two of them never choose the same port.
PORTS_OF_A_PROCESS = 2_500
MAX_PROCESSES = 9


def _ports_of_this_process() -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = FIRST_PORT + int(worker) % MAX_PROCESSES * PORTS_OF_A_PROCESS
    ports = list(range(first, first + PORTS_OF_A_PROCESS))
    # Another run on this machine may use the same range: a random start makes a collision unlikely.
    start = random.SystemRandom().randrange(PORTS_OF_A_PROCESS)
    return itertools.cycle(ports[start:] + ports[:start])


_ports = _ports_of_this_process()


def free_port() -> int:
    """A port of 127.0.0.1 that no process listens on, and that this process has not returned lately."""
    for port in itertools.islice(_ports, PORTS_OF_A_PROCESS):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"all {PORTS_OF_A_PROCESS} ports of this test process are in use")
