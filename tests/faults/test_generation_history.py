"""P3, P4, P8: with store, providers and reader failing at once, what is delivered is charged."""

from typing import Any

import pytest

from tests.faults.generation_history import play_generations
from tests.faults.history import Violation
from tests.faults.players import connect, settled_without_its_condition
from tests.faults.transports import Break
from tests.faults.wire import Fault, untouched


@pytest.fixture
def client(engine_url: str) -> Any:
    return connect(engine_url)


def test_every_generation_is_decided_once_and_charged_what_was_delivered(client: Any) -> None:
    injected = play_generations(client, untouched, range(40_000, 40_003))
    assert injected.keys() & set(Break)
    assert injected.keys() & set(Fault)


def test_a_settlement_that_repeats_itself_is_a_violation(client: Any) -> None:
    with pytest.raises(Violation, match="P2"):
        play_generations(client, settled_without_its_condition, range(100, 120))
