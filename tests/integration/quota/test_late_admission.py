"""Q0: a sending that was given up and repeated may arrive after everything: it opens no hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from tests.integration.quota.house import (
    HOLD,
    MODEL,
    PERIOD,
    SESSION,
    TODAY,
    House,
    catalogue,
    failed,
    finished,
    refused_scope,
)
from tollgate.quota.admission import SessionEnded, Visitor
from tollgate.quota.extend_hold import extend_hold
from tollgate.quota.gate import Hold
from tollgate.quota.give_back import give_back
from tollgate.quota.settlement import STOPPED, Usage
from tollgate.table.client import Unavailable
from tollgate.tenancy.gate import milliseconds

VISITOR = Visitor("acc_1", "usr_1", SESSION, "gen_1")
SENDING = "before-send.dynamodb.UpdateItem"


@dataclass
class Network:
    """Keeps the next `keep` signed requests to itself: botocore sees a time-out, and repeats."""

    keep: int = 0
    kept: list[Any] = field(default_factory=list)

    def __call__(self, request: Any, **_: Any) -> None:
        if self.keep:
            self.keep -= 1
            self.kept.append(request)
            raise ReadTimeoutError(endpoint_url=request.url)

    def deliver(self) -> list[int]:
        """What kept requests are answered with, in the end."""
        session = URLLib3Session()
        return [session.send(self.kept.pop(0)).status_code for _ in list(self.kept)]


@pytest.fixture
def network(dynamodb: Any, house: House) -> Iterator[Network]:
    network = Network()
    house.open_account()
    dynamodb.meta.events.register(SENDING, network)
    yield network
    dynamodb.meta.events.unregister(SENDING, network)


def give(house: House, **arguments: Any) -> Any:
    return give_back(house.table, house.catalogue, VISITOR, house.clock(), **arguments)


def test_what_arrives_after_its_settlement_is_refused(house: House, network: Network) -> None:
    network.keep = 1
    hold = house.admit("gen_1").hold
    house.settle("gen_1", hold, finished(30, 20))
    before = house.item()
    assert network.deliver() == [400]
    assert house.item() == before
    assert (house.gate().open, house.gate().used) == ({}, {PERIOD: 50})


@pytest.mark.parametrize(
    "usage", [failed(), Usage(STOPPED, MODEL.id, 30, 20, estimated=True)], ids=["failed", "stopped"]
)
def test_however_it_was_decided(house: House, network: Network, usage: Usage) -> None:
    network.keep = 2
    house.settle("gen_1", house.admit("gen_1").hold, usage)
    before = house.item()
    assert network.deliver() == [400, 400]
    assert house.item() == before


def test_what_arrives_beside_its_repetition_is_the_one_admission(
    house: House, network: Network
) -> None:
    network.keep = 1
    hold = house.admit("gen_1").hold
    assert network.deliver() == [400]
    assert house.gate().open == {"gen_1": hold}
    assert house.gate().used == {PERIOD: HOLD}


def test_an_extended_hold_remembers_that_it_was_repeated(house: House, network: Network) -> None:
    network.keep = 1
    admitted = extend_hold(house.table, VISITOR, house.admit("gen_1"), 10)
    house.settle("gen_1", admitted.hold, finished(30, 20))
    assert network.deliver() == [400]
    assert house.gate().open == {}


def test_an_attempt_that_was_repeated_is_remembered_by_those_after_it(
    house: House, network: Network
) -> None:
    """Two dead holds refuse the repetition, their reclaim makes room for the next attempt."""
    house.catalogue = catalogue(concurrent=2)
    house.edit(changes={"concurrent_limit": {"N": "2"}})
    house.admit("gen_a")
    house.admit("gen_b")
    house.clock.advance(minutes=7)
    hint = house.hint()
    network.keep = 1
    hold = house.admit("gen_1", hint=hint).hold
    house.settle("gen_1", hold, finished(30, 20))
    before = house.item()
    assert network.deliver() == [400]
    assert house.item() == before


def test_a_refused_admission_is_not_let_in_later(house: House, network: Network) -> None:
    house.catalogue = catalogue(concurrent=1)
    house.edit(changes={"concurrent_limit": {"N": "1"}})
    other = house.admit("gen_a").hold
    network.keep = 1
    assert refused_scope(house) == "concurrent"
    house.settle("gen_a", other, finished(30, 20))
    before = house.item()
    assert network.deliver() == [400]
    assert house.item() == before


def test_what_was_given_back_before_it_arrived_is_refused(house: House, network: Network) -> None:
    network.keep = 10
    with pytest.raises(Unavailable):
        house.admit("gen_1")
    network.keep = 0
    gate = give(house)
    assert gate == house.gate()
    before = house.item()
    assert set(network.deliver()) == {400}
    assert house.item() == before
    assert (gate.open, gate.used, gate.days) == ({}, {}, {})
    assert house.receipts() == {}


def test_what_arrives_while_it_is_given_back_goes_back(house: House, network: Network) -> None:
    network.keep = 10
    with pytest.raises(Unavailable):
        house.admit("gen_1")
    network.keep = 0
    house.wire.before["update_item"] = network.deliver
    gate = give(house)
    assert gate == house.gate()
    assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: 0}, {TODAY: 0})
    assert house.receipts()["gen_1"].outcome == "failed"


def test_an_admission_that_was_answered_leaves_no_note(house: House, network: Network) -> None:
    """Neither its settlement nor its return; but one that was repeated does."""
    house.settle("gen_0", house.admit("gen_0").hold, finished(30, 20))
    gate = give(house, admitted=house.admit("gen_1").hold)
    assert gate.decided == {}
    assert gate.open == {}
    network.keep = 1
    hold = house.admit("gen_2").hold
    house.settle("gen_2", hold)
    assert house.gate().decided == {"gen_2": milliseconds(house.clock())}


def test_notes_go_once_nothing_can_arrive_any_more(house: House, network: Network) -> None:
    for generation in ("gen_1", "gen_2"):
        network.keep = 1
        house.settle(generation, house.admit(generation).hold)
        house.clock.advance(minutes=6)
    house.clock.advance(minutes=-1)
    house.settle("gen_3", house.admit("gen_3").hold)
    assert house.gate().decided.keys() == {"gen_2"}


def test_giving_back_twice_or_what_is_decided_changes_no_count(
    house: House, network: Network
) -> None:
    house.settle("gen_1", house.admit("gen_1").hold, finished(30, 20))
    for _ in range(2):
        house.clock.advance(seconds=1)
        give(house)
    gate = house.gate()
    assert (gate.used, gate.days) == ({PERIOD: 50}, {TODAY: 1})
    assert house.receipts()["gen_1"].outcome == "finished"


def test_an_account_that_is_gone_is_given_nothing(house: House) -> None:
    assert give(house) is None


def reclaimed(house: House) -> Hold:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.clock.advance(minutes=7)
    assert house.reclaim() == 1
    return hold


@pytest.mark.parametrize("answered", [True, False])
def test_what_was_reclaimed_before_it_is_given_back_costs_nothing(
    house: House, answered: bool
) -> None:
    hold = reclaimed(house)
    for _ in range(2):
        gate = give(house, admitted=hold if answered else None)
        assert gate == house.gate()
        assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: 0}, {TODAY: 0})
    receipt = house.receipts()["gen_1"]
    assert (receipt.outcome, receipt.late_outcome, receipt.charged_cost) == (
        "reclaimed",
        "failed",
        0,
    )
    assert not any(house.usage_row().values())


def test_a_late_end_that_is_recorded_is_not_given_back(house: House) -> None:
    house.settle("gen_1", reclaimed(house), finished(30, 20))
    requests = house.wire.made_by(lambda: give(house))
    assert "transact_write_items" not in requests
    gate = house.gate()
    assert (gate.used, gate.days) == ({PERIOD: 50}, {TODAY: 1})
    assert house.receipts()["gen_1"].late_outcome == "finished"


# --- Sessions that end under an admission ------------------------------------------------------


def log_out(house: House) -> None:
    house.edit(changes={"sessions": {"M": {}}})


@dataclass
class LostAnswer:
    """The first request arrives, its answer does not; the session ends, and botocore repeats."""

    house: House
    lost: bool = False

    def __call__(self, request: Any, **_: Any) -> None:
        if not self.lost:
            self.lost = True
            assert URLLib3Session().send(request).status_code == 200
            log_out(self.house)
            raise ReadTimeoutError(endpoint_url=request.url)


def test_an_admission_whose_session_ended_before_its_answer_goes_back(
    house: House, dynamodb: Any
) -> None:
    house.open_account()
    lost = LostAnswer(house)
    dynamodb.meta.events.register(SENDING, lost)
    try:
        with pytest.raises(SessionEnded):
            house.admit("gen_1")
    finally:
        dynamodb.meta.events.unregister(SENDING, lost)
    gate = house.gate()
    assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: 0}, {TODAY: 0})
    assert house.receipts()["gen_1"].outcome == "failed"


def test_a_repeated_admission_of_an_ended_session_is_not_let_in_later(
    house: House, network: Network
) -> None:
    """By the second sending's clock the session has ended; by the first one's it had not."""
    log_out(house)
    network.keep = 1
    with pytest.raises(SessionEnded):
        house.admit("gen_1")
    house.edit(changes={"sessions": {"M": {SESSION: {"N": str(10**14)}}}})
    before = house.item()
    assert network.deliver() == [400]
    assert house.item() == before


def test_an_attempt_that_was_repeated_is_remembered_when_the_session_ends_between_two(
    house: House, network: Network
) -> None:
    """The dead hold's reclaim reads the gate anew, and finds the session gone."""
    house.catalogue = catalogue(concurrent=1)
    house.edit(changes={"concurrent_limit": {"N": "1"}})
    house.admit("gen_a")
    house.clock.advance(minutes=7)
    hint = house.hint()
    network.keep = 1
    house.wire.before["get_item"] = lambda: log_out(house)
    with pytest.raises(SessionEnded):
        house.admit("gen_1", hint=hint)
    assert house.gate().decided.keys() == {"gen_a", "gen_1"}


def test_a_session_that_had_ended_before_its_only_sending_costs_no_further_request(
    house: House,
) -> None:
    house.open_account()
    hint = house.hint()
    log_out(house)

    def refused() -> None:
        with pytest.raises(SessionEnded):
            house.admit("gen_1", hint=hint)

    assert house.wire.made_by(refused) == ["update_item"]
