"""The stream's benchmark notices every missing, duplicate or reordered event."""

import pytest

from bench.fanout.events import build_event, event_text
from bench.fanout.stream_check import ResumingStreamCheck, StreamCheck
from patient_visit_engine.cli.replay.delivery import Faults
from patient_visit_engine.live.frames import encode

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def frame(number: int) -> bytes:
    event = build_event(number)
    return encode(event_text(event), name=event.name, cursor=f"e-{number}")


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def faults_of(numbers: list[int], last: int) -> Faults:
    check = StreamCheck(1)
    check.feed(b"".join(map(frame, numbers)))
    return check.faults(last)


def test_all_events_in_order_give_no_fault() -> None:
    assert not faults_of([1, 2, 3], last=3)


def test_skipped_event_is_missing() -> None:
    assert faults_of([1, 3], last=3) == Faults(missing=1)


def test_events_after_last_received_are_missing() -> None:
    assert faults_of([1], last=3) == Faults(missing=2)


def test_repeated_event_is_a_duplicate() -> None:
    assert faults_of([1, 2, 2, 3, 1], last=3) == Faults(duplicate=2)


def test_late_event_is_reordered_and_not_missing() -> None:
    assert faults_of([1, 3, 2, 4], last=4) == Faults(reordered=1)


def test_truncated_last_event_is_missing() -> None:
    check = StreamCheck(1)
    check.feed(frame(1) + frame(2)[:-1])

    assert check.faults(2) == Faults(missing=1)


def test_truncated_event_in_the_middle_is_missing() -> None:
    check = StreamCheck(1)
    check.feed(frame(1)[:-30] + frame(2))

    assert check.faults(2) == Faults(missing=1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 701])
def test_frames_count_once_at_any_split(size: int) -> None:
    stream = HEAD + chunk(b"event: ready\ndata: {}\n\n")
    stream += b"".join(chunk(frame(number)) for number in range(1, 20)) + chunk(frame(20) + frame(21))
    check = StreamCheck(1)

    numbers = [number for at in range(0, len(stream), size) for number in check.feed(stream[at : at + size])]

    assert numbers == list(range(1, 22))
    assert not check.faults(21)


def test_resumes_after_the_last_whole_event() -> None:
    check = ResumingStreamCheck(1)
    for number in (1, 2):
        check.feed(chunk(frame(number)))
    check.feed(frame(3)[:40])
    assert check.last_id == "e-2"

    check.start_new_connection()
    check.feed(HEAD + chunk(frame(3)))

    assert check.last_id == "e-3"
    assert not check.faults(3)
