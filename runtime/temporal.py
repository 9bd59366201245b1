"""Connects to Temporal. Every process uses this module, so all use the same payload format."""

from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter
from temporalio.service import KeepAliveConfig, TLSConfig

from patient_visit_engine.runtime.settings import Settings

# Created once. The SDK creates a converter for each call of a visit or an activity. Each new pydantic converter would
# start with an empty cache of our models.
_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())

# A server ends the connection of a client that pings it too often, such as every five seconds. The next call would have to connect.
KEEP_ALIVE = KeepAliveConfig(interval_millis=30_000, timeout_millis=5_000)


class VisitPayloadConverter(CompositePayloadConverter):
    """Converts pydantic models to JSON and back."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


DATA_CONVERTER = DataConverter(payload_converter_class=VisitPayloadConverter)


class UnreachableError(Exception):
    """Temporal did not answer within the time limit."""


def is_unconnected(error: BaseException) -> bool:
    """Whether the error means that the client has no connection yet. The SDK raises a plain `RuntimeError` then."""
    return isinstance(error, RuntimeError) and str(error).startswith("Failed client connect")


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the Temporal frontend. With `lazy` it connects at the first call, so a process can start without Temporal."""
    api_key = settings.temporal_api_key
    return await Client.connect(
        settings.effective_temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=DATA_CONVERTER,
        lazy=lazy,
        tls=_tls_config(settings),
        api_key=None if api_key is None else api_key.get_secret_value(),
        keep_alive_config=KEEP_ALIVE,
    )


def _tls_config(settings: Settings) -> TLSConfig | bool:
    """The certificates of both sides. False means no TLS."""
    if not settings.temporal_is_encrypted:
        return False
    return TLSConfig(
        server_root_ca_cert=_read_bytes(settings.temporal_tls_ca),
        domain=settings.temporal_tls_server_name or None,
        client_cert=_read_bytes(settings.temporal_tls_cert),
        client_private_key=_read_bytes(settings.temporal_tls_key),
    )


def _read_bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
