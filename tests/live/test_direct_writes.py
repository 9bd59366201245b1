"""Direct writes to a connection: each event is one HTTP chunk, and closed connections are freed."""

import gc
import weakref

from patient_visit_engine.api.server import StreamProtocol
from patient_visit_engine.storage.database import Database
from tests.support.stream_server import Serve, an_event, append_events
from tests.support.waiting import wait_until_async


async def test_writes_event_to_each_connection_as_chunk(serve: Serve, writer_database: Database) -> None:
    server = await serve()
    clients = [await server.live_client(doctor) for doctor in (7, 8, None)]

    await append_events(writer_database, an_event(1))
    for client in clients:
        await client.read_events(1)

    content, chunk = StreamProtocol.last_chunk
    assert b'"number":1' in content
    assert chunk == f"{len(content):x}\r\n".encode() + content + b"\r\n"
    assert [client.numbers for client in clients] == [[1]] * 3


async def test_frees_closed_connection_without_gc(serve: Serve) -> None:
    server = await serve()
    client = await server.live_client()
    (subscriber,) = server.hub.connected()
    connection = weakref.ref(subscriber.connection)
    assert isinstance(connection(), StreamProtocol)
    del subscriber

    gc.disable()
    try:
        client.close()
        await wait_until_async(lambda: connection() is None, "the connection to be freed")
    finally:
        gc.enable()
