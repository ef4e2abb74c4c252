"""Every part is one event with the fields of the contract, whatever the text in it (H5)."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tollgate.generation import ui_stream
from tollgate.generation.event_stream import EventStream

TEXT = st.text(st.characters(codec="utf-8"))


def parts(wire: bytes) -> list[Any]:
    """As a browser reads them; the count of events by Python's wider idea of a line agrees."""
    events = EventStream().feed(wire)
    lines = [line for line in wire.decode().splitlines() if line.startswith("data:")]
    assert len(lines) == len(events)
    return [json.loads(event) for event in events]


@given(TEXT)
@example("\r\n\r\ndata: [DONE]\r\n\r\n")
@example("\0\u0085\u2028\u2029\v\f")
def test_delta_is_one_event_that_gives_back_its_text(text: str) -> None:
    assert parts(ui_stream.text_delta(text)) == [
        {"type": "text-delta", "id": "text", "delta": text}
    ]


@given(st.lists(TEXT, max_size=8))
def test_deltas_give_back_the_whole_answer_in_as_many_events(pieces: list[str]) -> None:
    wire = b"".join(ui_stream.text_delta(piece) for piece in pieces)
    assert [part["delta"] for part in parts(wire)] == pieces


@given(TEXT, TEXT, TEXT)
def test_ids_and_sentences_add_no_event(first: str, second: str, third: str) -> None:
    started = ui_stream.start(
        first, generation_id=second, conversation_id=third, model=first, cached=False
    )
    assert parts(started) == [
        {
            "type": "start",
            "messageId": first,
            "messageMetadata": {
                "generation_id": second,
                "conversation_id": third,
                "model": first,
                "cached": False,
            },
        }
    ]
    assert parts(ui_stream.error(third)) == [{"type": "error", "errorText": third}]


def test_finish_tells_usage_and_what_is_left_with_null_for_unlimited() -> None:
    wire = ui_stream.finish(
        "length", input_tokens=3, output_tokens=4, estimated=True, day_left=None, month_left=9
    )
    assert parts(wire) == [
        {
            "type": "finish",
            "finishReason": "length",
            "messageMetadata": {
                "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "estimated": True},
                "remaining": {"day": None, "month": 9},
            },
        }
    ]


def test_text_parts_share_one_id_and_the_stream_ends_with_done() -> None:
    assert parts(ui_stream.TEXT_START + ui_stream.text_delta("x") + ui_stream.TEXT_END) == [
        {"type": "text-start", "id": "text"},
        {"type": "text-delta", "id": "text", "delta": "x"},
        {"type": "text-end", "id": "text"},
    ]
    assert parts(ui_stream.START_STEP + ui_stream.FINISH_STEP) == [
        {"type": "start-step"},
        {"type": "finish-step"},
    ]
    assert ui_stream.DONE == b"data: [DONE]\n\n"


def test_keep_alive_is_no_event() -> None:
    assert EventStream().feed(ui_stream.KEEP_ALIVE) == []
    assert ui_stream.KEEP_ALIVE.startswith(b":")
