"""Frames, the ring that stores them, and cursors."""

import pytest

from patient_visit_engine.live.cursor import read_cursor, write_cursor
from patient_visit_engine.live.frames import Frame, Ring, group_by_channel, join_bodies


def a_frame(seq: int, size: int = 10, channel: str = "consultations") -> Frame:
    return Frame(seq, channel, b"x" * size)


def test_ring_keeps_newest_by_number() -> None:
    ring = Ring(3, 1000)

    for seq in range(1, 6):
        ring.append(a_frame(seq))

    assert (ring.oldest, ring.newest) == (3, 5)
    assert ring.covers(2)
    assert not ring.covers(1)
    with pytest.raises(KeyError):
        ring[2]


def test_ring_keeps_newest_by_size_and_always_last() -> None:
    ring = Ring(100, 25)

    for seq, size in [(1, 10), (2, 10), (3, 10)]:
        ring.append(a_frame(seq, size))
    assert ring.oldest == 2
    ring.append(a_frame(4, 900))

    assert (ring.oldest, ring.newest) == (4, 4)


def test_ring_rejects_frame_out_of_order() -> None:
    ring = Ring(3, 1000)
    ring.append(a_frame(1))

    with pytest.raises(ValueError, match="frame 3 does not follow 1"):
        ring.append(a_frame(3))


def test_groups_neighbours_of_channel_in_order() -> None:
    frames = [a_frame(1), a_frame(2), a_frame(3, channel="doctor.7"), a_frame(4), a_frame(5, 95), a_frame(6)]

    groups = [[frame.seq for frame in group] for group in group_by_channel(frames, 100)]

    assert groups == [[1, 2], [3], [4], [5], [6]]
    assert join_bodies(frames[:2]) == b"x" * 20


@pytest.mark.parametrize(
    "text", ["", "a", "a-", "-1", "a-01", "a--1", "a-1 ", "a-1\n", "a-1e3", "a-\u0661", "a-" + "9" * 19]
)
def test_rejects_other_spellings_of_cursor(text: str) -> None:
    assert read_cursor(text) is None


def test_reads_cursor_that_it_wrote() -> None:
    assert read_cursor(write_cursor("9f2c", 12)) == ("9f2c", 12)
    assert read_cursor(write_cursor("9f2c", 0)) == ("9f2c", 0)
