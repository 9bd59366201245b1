"""The one way to connect to Temporal, so that every process speaks the same payloads; it must not know what is sent."""

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter
from temporalio.service import KeepAliveConfig

# Made once. The SDK makes a converter for each call of a visit or an activity, and pydantic's would begin each time with an
# empty cache of what it knows about our models.
_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class VisitPayloadConverter(CompositePayloadConverter):
    """Pydantic models as JSON."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


DATA_CONVERTER = DataConverter(payload_converter_class=VisitPayloadConverter)


async def connect(address: str, namespace: str, *, lazy: bool = False) -> Client:
    """A client of the Temporal frontend at `address`; `lazy` puts off the first call, so that a process starts without it."""
    return await Client.connect(
        address,
        namespace=namespace,
        data_converter=DATA_CONVERTER,
        lazy=lazy,
        keep_alive_config=KeepAliveConfig(interval_millis=5_000, timeout_millis=3_000),
    )
