"""Two network namespaces with a virtual cable between them that a test can cut silently."""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

HERE, THERE = "192.0.2.1", "192.0.2.2"
#: The name of the network device at both ends of the cable.
CABLE = "cable"
CLONE_NEWNET = 0x40000000


def missing_requirement() -> str | None:
    """Return why this machine cannot create such networks, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    missing = [program for program in ("ip", "iptables") if shutil.which(program) is None]
    if missing:
        return f"no {' and no '.join(missing)} on the PATH"
    name = f"visit-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "this machine does not allow network namespaces"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


class Network:
    """A namespace `here`, which can be cut off, and a namespace `there`."""

    def __init__(self) -> None:
        suffix = os.urandom(4).hex()
        self.here, self.there = f"visit-{suffix}-here", f"visit-{suffix}-there"
        self.within_here = ["ip", "netns", "exec", self.here]

    def open(self) -> None:
        for name in (self.here, self.there):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run(*("ip", "link", "add", CABLE, "netns", self.here, "type", "veth"), *("peer", CABLE, "netns", self.there))
        for name, address in ((self.here, HERE), (self.there, THERE)):
            _run("ip", "-n", name, "address", "add", f"{address}/30", "dev", CABLE)
            _run("ip", "-n", name, "link", "set", CABLE, "up")

    def close(self) -> None:
        """Delete the namespaces, and the cable with them."""
        for name in (self.here, self.there):
            if Path("/run/netns", name).exists():
                _run("ip", "netns", "delete", name)

    def cut(self) -> None:
        """Drop every packet silently, in both directions. Neither end gets an error."""
        self._change_rules("-A")

    def repair(self) -> None:
        self._change_rules("-D")

    def _change_rules(self, change: str) -> None:
        for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
            _run(*self.within_here, "iptables", "-w", change, chain, side, CABLE, "-j", "DROP")

    async def connect(self, name: str, port: int, receive_buffer: int | None = None) -> socket.socket:
        """Return a socket of the namespace `name` that is connected to `port` in `here`."""
        connected: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        # A new thread for each call. A thread of a pool would stay in the namespace and do its next work there.
        threading.Thread(target=_connect, args=(name, port, receive_buffer, connected)).start()
        return await connected


def _connect(name: str, port: int, receive_buffer: int | None, connected: "asyncio.Future[socket.socket]") -> None:
    sock = None
    try:
        with Path("/run/netns", name).open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10)
        sock.connect((HERE, port))
        sock.settimeout(0)
    except OSError as error:
        if sock is not None:
            sock.close()
        connected.get_loop().call_soon_threadsafe(connected.set_exception, error)
    else:
        connected.get_loop().call_soon_threadsafe(connected.set_result, sock)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
