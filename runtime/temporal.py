"""The one way to connect to Temporal, so that every process speaks the same payloads; it must not know what is sent."""

from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter
from temporalio.service import KeepAliveConfig, TLSConfig

from patient_visit_engine.runtime.settings import Settings

# Made once. The SDK makes a converter for each call of a visit or an activity, and pydantic's would begin each time with an
# empty cache of what it knows about our models.
_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class VisitPayloadConverter(CompositePayloadConverter):
    """Pydantic models as JSON."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


DATA_CONVERTER = DataConverter(payload_converter_class=VisitPayloadConverter)


class UnreachableError(Exception):
    """No frontend answered for as long as one may take to come up."""


def is_unconnected(error: BaseException) -> bool:
    """Whether this is how the SDK says that a client has no connection yet, by a class that says nothing."""
    return isinstance(error, RuntimeError) and str(error).startswith("Failed client connect")


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the Temporal frontend; `lazy` puts off the first call, so that a process starts without it."""
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal,
        namespace=settings.temporal_namespace,
        data_converter=DATA_CONVERTER,
        lazy=lazy,
        tls=_tls(settings),
        api_key=None if key is None else key.get_secret_value(),
        keep_alive_config=KeepAliveConfig(interval_millis=5_000, timeout_millis=3_000),
    )


def _tls(settings: Settings) -> TLSConfig | bool:
    """How the frontend is known and how we are; False: neither, in the clear."""
    if not settings.temporal_is_encrypted:
        return False
    return TLSConfig(
        server_root_ca_cert=_content(settings.temporal_tls_ca),
        domain=settings.temporal_tls_server_name or None,
        client_cert=_content(settings.temporal_tls_cert),
        client_private_key=_content(settings.temporal_tls_key),
    )


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
