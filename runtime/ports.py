"""The ports in the settings, and in words why nothing can listen on one."""

import errno
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """The address of a port, and the settings of its number and its host. Without `host_variable` the host is fixed."""

    variable: str
    host: str
    number: int
    host_variable: str | None = None

    def describe_error(self, error: OSError) -> str:
        """One line that names the setting. `error` was raised by the address or by listening on it."""
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            return f"{self.host_variable or self.variable}: {self.host} is not an address of this machine"
        reason = "in use" if error.errno == errno.EADDRINUSE else f"not available ({error.strerror})"
        return f"{self.variable}: port {self.number} on {self.host} is {reason}"
