"""The one way to connect to Temporal, so that every process speaks the same payloads; it must not know what is sent."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import KeepAliveConfig


async def connect(address: str, namespace: str, *, lazy: bool = False) -> Client:
    """A client of the Temporal frontend at `address`; `lazy` puts off the first call, so that a process starts without it."""
    return await Client.connect(
        address,
        namespace=namespace,
        data_converter=pydantic_data_converter,
        lazy=lazy,
        keep_alive_config=KeepAliveConfig(interval_millis=5_000, timeout_millis=3_000),
    )
