"""Tells a clock what time the store's answers say it is."""

from collections.abc import Mapping
from typing import Any

from tollgate.clock import StoreClock

_SENT_AT = "tollgate_sent_at"


def correct_by_answers(clock: StoreClock, client: Any, service: str) -> None:
    """By those of every sending: botocore makes a request anew for each of its own retries."""

    def note_sending(request: Any, **_: Any) -> None:
        request.context[_SENT_AT] = clock.host()

    def correct(response_dict: Mapping[str, Any] | None, context: Any, **_: Any) -> None:
        date = None if response_dict is None else response_dict["headers"].get("date")
        if date is not None:
            clock.heard(date, context[_SENT_AT], clock.host())

    client.meta.events.register_first(f"request-created.{service}", note_sending)
    client.meta.events.register(f"response-received.{service}", correct)
