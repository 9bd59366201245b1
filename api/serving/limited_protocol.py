"""uvicorn's HTTP protocol with limits: it counts bytes before the parser gets them, and each phase of a request has a time limit."""

import asyncio
from typing import Any, cast

import httptools
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.serving import refusals
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.api.serving.phases import ANSWER_NOT_READ, NEVER, SILENT, Phase, PipelineFullError
from patient_visit_engine.api.serving.request_head import check_head


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    # Slots, and no more attributes: with more than 30 in its dictionary, each connection would need a kilobyte more.
    __slots__ = ("_bytes", "_connections", "_is_stream", "_limits", "_phase", "_running", "deadline", "host")

    def __init__(self, *arguments: Any, connections: OpenConnections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections
        self._limits = connections.limits
        self.timeout_keep_alive = self._limits.keep_alive
        self.host = ""
        self._phase = Phase.idle
        #: Bytes of this phase.
        self._bytes = 0
        self._is_stream = False
        self._running: RequestResponseCycle | None = None
        self.deadline = NEVER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.host = self.client[0] if self.client else ""
        refusal = self._connections.refusal(self.host, transport.get_extra_info("socket").fileno())
        self._connections.add(self, self.host)
        self._enter(Phase.idle, self._limits.first_byte)
        if refusal is not None:
            # A socket that lingers would use one of the last file descriptors.
            self._answer_and_close(refusal, linger=refusal.status != 503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        if self._phase is Phase.lingering:
            self._connections.lingering -= 1
            self._phase = Phase.closing
        running = self._running
        if running is not None and running is not self.cycle and not running.response_complete:
            # uvicorn only looks at the newest request.
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def mark_as_stream(self) -> None:
        """The running request has become an event stream: the hub limits its time, and its user's rights limit its number."""
        if self.pipeline:
            # Requests behind a stream would never be answered.
            self.transport.abort()
            return
        self._is_stream = True
        self.deadline = NEVER
        self._connections.remove(self)

    def data_received(self, data: bytes) -> None:
        if self._phase in (Phase.lingering, Phase.closing):
            self._drop(len(data))
            return
        if self._is_stream:
            if data.strip(b"\r\n"):
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data) and not self.transport.is_closing():
            if self._phase in (Phase.idle, Phase.answer):
                self._enter(Phase.head, self._limits.head)
            room = self._room()
            if not room:
                self._refuse(self._too_large())
                return
            piece = data[start : start + room]
            start += room
            self._bytes += len(piece)
            if not self._parse(piece):
                return

    def _room(self) -> int:
        """How many bytes the parser may get now."""
        limit = self._limits.max_head if self._phase is Phase.head else self._limits.max_sent_body
        return min(self._limits.piece, limit - self._bytes)

    def _too_large(self) -> Problem:
        if self._phase is Phase.head:
            return refusals.headers_too_large(self._limits.max_head)
        return refusals.sent_body_too_large(self._limits.max_sent_body)

    def _parse(self, piece: bytes) -> bool:
        """Give the parser these bytes. Return False when the connection takes no more."""
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # This server has no other protocol. It answers the request, and drops what the client sends in the other protocol.
            self._close_after_accepted()
            return False
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, PipelineFullError):
                self._close_after_accepted()
            else:
                self._refuse(cause if isinstance(cause, Problem) else refusals.malformed_request())
            return False
        return True

    def on_message_begin(self) -> None:
        if self._phase is not Phase.head:
            # A pipelined request: it begins in the piece that ends the request before it.
            self._enter(Phase.head, self._limits.head)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.max_url:
            raise refusals.url_too_long(self._limits.max_url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is not Phase.head:
            # A trailer. The application would take it for a header that a proxy has seen.
            return
        super().on_header(name, value)
        if len(self.headers) > self._limits.max_headers:
            raise refusals.too_many_headers(self._limits.max_headers)

    def on_headers_complete(self) -> None:
        check_head(self.parser.get_http_version(), self.headers, self._limits.max_sent_body)
        if len(self.pipeline) >= self._limits.max_pipelined:
            raise PipelineFullError
        self._enter(Phase.body, self._limits.body)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait_for_next_request()
        else:
            self._enter(Phase.answer, NEVER)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        self._running = cycle
        super()._start_asgi_task(cycle, cast(Any, app))

    def on_response_complete(self) -> None:
        if self._is_stream:
            self._is_stream = False
            self._connections.add(self, self.host)
        if self._phase is Phase.answer or self.transport.is_closing():
            self._wait_for_next_request()
        super().on_response_complete()

    def _wait_for_next_request(self) -> None:
        # uvicorn closes an idle connection after `keep_alive`. The deadline ends one whose client does not read the rest of its answer.
        unread = self.flow.write_paused
        self._enter(Phase.idle, self._limits.answer if unread else self.timeout_keep_alive + self._limits.answer)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._phase in (Phase.answer, Phase.closing) and not self._is_stream:
            self.deadline = self.loop.time() + self._limits.answer

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._phase is Phase.idle:
            self._wait_for_next_request()
        elif self._phase in (Phase.answer, Phase.closing) and not self.transport.is_closing():
            self.deadline = NEVER

    def _enter(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self._bytes = 0
        self.deadline = self.loop.time() + seconds

    @property
    def waits_for_client(self) -> bool:
        """Whether the next bytes must come from the client."""
        return self._phase in (Phase.idle, Phase.head, Phase.body) and not self.transport.is_closing()

    def end_for_others(self, problem: Problem) -> None:
        """Close this connection, because its address has too many that wait."""
        if self._phase is Phase.idle and self._running is not None:
            # Between two requests an answer would look like the answer to the next one.
            self._connections.note_refusal(problem.code, self.host)
            self.transport.close()
        else:
            self._refuse(problem)

    def end_overdue_phase(self) -> None:
        """Refuse a request that did not arrive in time, and close a connection on which nothing happens."""
        if self._phase is Phase.head:
            self._refuse(refusals.request_too_slow(self._limits.head))
        elif self._phase is Phase.body:
            self._refuse(refusals.request_too_slow(self._limits.body))
        else:
            if self._phase is Phase.idle and self._running is None:
                self._connections.note_refusal(SILENT, self.host)
            elif self._phase in (Phase.idle, Phase.answer):
                self._connections.note_refusal(ANSWER_NOT_READ, self.host)
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer with the problem, unless an earlier request is not answered yet. Then answer that one and close."""
        running = self._running
        if running is None or (running.response_complete and self._phase is not Phase.body):
            self._answer_and_close(problem)
        elif self._phase is Phase.body and running is self.cycle:
            self._refuse_body(running, problem)
        else:
            self._connections.note_refusal(problem.code, self.host)
            self._close_after_accepted()

    def _refuse_body(self, running: RequestResponseCycle, problem: Problem) -> None:
        # The application may wait for the body. For it, the client has disconnected.
        running.disconnected = True
        running.message_event.set()
        if running.response_started:
            # The client has an answer already, or a part of it.
            self._connections.note_refusal(problem.code, self.host)
            self.transport.abort()
        else:
            self._answer_and_close(problem)

    def _close_after_accepted(self) -> None:
        """Take no more from the client. Answer what it has sent completely, and then close."""
        if self._phase is Phase.body and self.pipeline:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._running
        assert last is not None
        last.keep_alive = False
        self._enter(Phase.closing, self._limits.answer if self.flow.write_paused else NEVER)

    def _answer_and_close(self, problem: Problem, *, linger: bool = True) -> None:
        self._connections.note_refusal(problem.code, self.host)
        self.transport.write(refusals.encode_refusal(problem, self.server_state.default_headers, self._read_headers()))
        if not linger or self._connections.lingering >= self._limits.max_lingering:
            self._enter(Phase.closing, self._limits.linger)
            self.transport.close()
            return
        self._connections.lingering += 1
        self._enter(Phase.lingering, self._limits.linger)
        self.flow.resume_reading()
        self.transport.write_eof()

    def _read_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the newest request, as far as they were read."""
        # uvicorn has None before the first request.
        headers: list[tuple[bytes, bytes]] | None = self.headers
        return headers or []

    def _drop(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.max_lingered:
            self.transport.abort()
