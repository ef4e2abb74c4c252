"""P4, P5, P6: small storms, and that they would tell; `make storm` raises the great ones."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.players import connect
from tests.storm import model
from tests.storm.crashes import Points, examine
from tests.storm.lives import Violation
from tests.storm.losses import lose_and_repair
from tests.storm.planted import without_the_fence
from tests.storm.scripts import buys_twice
from tests.storm.storm import Size, Storm

SMALL = Size(events=48, deliveries=240)
SEEDS = (100, 101)


@pytest.fixture
def client(engine_url: str) -> Iterator[Any]:
    """What faults bring into the logs is not read."""
    logging.disable(logging.CRITICAL)
    yield connect(engine_url)
    logging.disable(logging.NOTSET)


@pytest.mark.case("W1", "W8")
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_befalls_the_deliveries_nothing_is_lost_or_doubled(client: Any, seed: int) -> None:
    result = Storm(seed, client, size=SMALL).rage()
    assert (result.events, result.deliveries) == (SMALL.events, SMALL.deliveries)
    assert {"applied", "duplicate", "killed", "service_unavailable"} <= result.outcomes.keys()


def test_a_storm_tells_of_a_reading_that_is_written_over_a_newer_one(client: Any) -> None:
    with pytest.raises(Violation, match="W8: ACCOUNT#"):
        Storm(SEEDS[0], client, without_the_fence, SMALL).rage()


@pytest.mark.case("W2")
def test_a_delivery_that_is_killed_at_any_call_is_completed_by_the_next(client: Any) -> None:
    """Before and after it has cancelled a duplicate, among them."""
    points = Points(set())
    examine(client, buys_twice, points, only="customer.subscription.created")
    assert any("stripe_post subscriptions/sub" in kind for kind in points.events)
    assert points.recovered == points.tried > 20


@pytest.mark.case("W9")
def test_one_reconciliation_repairs_what_was_never_delivered_or_damaged(client: Any) -> None:
    found = lose_and_repair(client, people=25, events=80)
    assert found.lost > 0
    assert found.repaired >= found.damaged > 0
    assert found.written_again == 0


def test_the_model_that_judges_imports_nothing_of_what_it_judges() -> None:
    tree = ast.parse(Path(model.__file__).read_text(encoding="utf-8"))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
        )
    }
    assert modules == {"collections", "dataclasses", "typing"}
