"""Events come out whole and once, however the network cuts the bytes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tollgate.generation.event_stream import EventStream

WIRE = (
    b': hello\r\nevent: a\r\ndata: {"one":1}\r\n\r\n'
    b"\n\nretry: 5\nid: 7\n\n"
    b"data:first\ndata: second\n\n"
    b"data: \xe2\x82\xac\n\ndata: unfinished"
)
EVENTS = [b'{"one":1}', b"first\nsecond", "€".encode()]


@given(st.lists(st.integers(min_value=0, max_value=len(WIRE)), max_size=20).map(sorted))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = EventStream()
    edges = [0, *cuts, len(WIRE)]
    chunks = [WIRE[start:end] for start, end in pairwise(edges)]
    assert [event for chunk in chunks for event in stream.feed(chunk)] == EVENTS


def test_event_is_given_out_as_soon_as_its_empty_line_arrives() -> None:
    stream = EventStream()
    assert stream.feed(b"data: x\n") == []
    assert stream.feed(b"\n") == [b"x"]
