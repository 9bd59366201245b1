"""Two machines of one test: network namespaces with a cable between them that can fall silent; it must not know what is sent."""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

HERE, THERE = "192.0.2.1", "192.0.2.2"
#: Both ends of the cable are called so, each in its own namespace.
CABLE = "cable"
CLONE_NEWNET = 0x40000000


def why_not() -> str | None:
    """Why this machine cannot have such networks, if so."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces are for root alone"
    missing = [program for program in ("ip", "iptables") if shutil.which(program) is None]
    if missing:
        return f"no {' and no '.join(missing)} on the PATH"
    name = f"visit-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "this machine lets nobody make a network namespace"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


class Network:
    """A namespace `here`, which can be cut off, and one `there`."""

    def __init__(self) -> None:
        mark = os.urandom(4).hex()
        self.here, self.there = f"visit-{mark}-here", f"visit-{mark}-there"
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
        """The cable goes with the namespaces."""
        for name in (self.here, self.there):
            if Path("/run/netns", name).exists():
                _run("ip", "netns", "delete", name)

    def cut(self) -> None:
        """Drop every packet in silence, both ways: neither end is told."""
        self._both_ways("-A")

    def mend(self) -> None:
        self._both_ways("-D")

    def _both_ways(self, change: str) -> None:
        for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
            _run(*self.within_here, "iptables", "-w", change, chain, side, CABLE, "-j", "DROP")

    async def connected(self, name: str, port: int, receive_buffer: int | None = None) -> socket.socket:
        """A socket of the namespace `name`, connected to `port` here."""
        made: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        # A thread that ends with this: one of a pool would stay in the namespace, with whatever it does next.
        threading.Thread(target=_connect, args=(name, port, receive_buffer, made)).start()
        return await made


def _connect(name: str, port: int, receive_buffer: int | None, made: "asyncio.Future[socket.socket]") -> None:
    raw = None
    try:
        with Path("/run/netns", name).open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        raw = socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(10)
        raw.connect((HERE, port))
        raw.settimeout(0)
    except OSError as error:
        if raw is not None:
            raw.close()
        made.get_loop().call_soon_threadsafe(made.set_exception, error)
    else:
        made.get_loop().call_soon_threadsafe(made.set_result, raw)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
