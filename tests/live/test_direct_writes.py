"""What is offered to a connection past ASGI: it is written there, framed as a chunk, and holds no connection that is over."""

import gc
import weakref

from patient_visit_engine.api.server import StreamProtocol
from patient_visit_engine.storage.database import Database
from tests.support.stream_server import Serve, an_event, tell, until


async def test_an_event_is_offered_to_each_connection_as_one_chunk(serve: Serve, elsewhere: Database) -> None:
    served = await serve()
    clients = [await served.live_client(doctor) for doctor in (7, 8, None)]

    await tell(elsewhere, an_event(1))
    for client in clients:
        await client.read_events(1)

    content, chunk = StreamProtocol.last_chunk
    assert b'"number":1' in content
    assert chunk == f"{len(content):x}\r\n".encode() + content + b"\r\n"
    assert [client.numbers for client in clients] == [[1]] * 3


async def test_a_connection_that_is_over_needs_no_collection_of_garbage(serve: Serve) -> None:
    served = await serve()
    client = await served.live_client()
    (reader,) = served.hub.connected()
    connection = weakref.ref(reader.connection)  # type: ignore[union-attr]
    assert isinstance(connection(), StreamProtocol)
    del reader

    gc.disable()
    try:
        client.close()
        await until(lambda: connection() is None, "the connection to be let go")
    finally:
        gc.enable()
