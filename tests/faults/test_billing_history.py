"""P5, P6, W2: whatever happens to any call of a delivery, Stripe's last word stands, once."""

from typing import Any
from uuid import uuid4

import pytest

from local import template
from tests.faults.billing_history import BillingHistory, check_out, deliver, play_billing
from tests.faults.history import Violation
from tests.faults.players import connect
from tests.faults.wire import Arguments, Fault, untouched
from tests.integration.billing_stripe import running_stripe
from tests.integration.quota.house import NOON


@pytest.fixture
def client(engine_url: str) -> Any:
    return connect(engine_url)


def test_the_last_word_of_stripe_stands_under_every_fault(client: Any) -> None:
    injected = play_billing(client, untouched, range(30_000, 30_004))
    assert set(Fault) & injected.keys() >= {Fault.KILLED, Fault.KILLED_AFTER}


def test_an_event_whose_marker_replaces_another_is_a_violation(client: Any) -> None:
    with pytest.raises(Violation, match="is applied a second time"):
        play_billing(client, _marker_without_its_condition, range(50_000, 50_040))


def _marker_without_its_condition(call: str, arguments: Arguments) -> Arguments:
    """`attribute_not_exists` is gone from the marker alone."""
    if call != "transact_write_items":
        return arguments
    first, *others = arguments["TransactItems"]
    put = first.get("Put", {})
    if not put.get("Item", {}).get("pk", {}).get("S", "").startswith("EVENT#"):
        return arguments
    bare = {"Put": {"TableName": put["TableName"], "Item": put["Item"]}}
    return {**arguments, "TransactItems": [bare, *others]}


def test_an_event_of_an_unrecorded_customer_never_replaces_the_one_recorded_meanwhile(
    client: Any,
) -> None:
    """S30: a checkout died before it recorded its customer, and Stripe forgot its key since."""
    name = f"billing-{uuid4().hex}"
    client.create_table(**template.load().table(name))
    with running_stripe() as stripe:
        history = BillingHistory(1, client, name, stripe, rates={})
        stripe.customers["cus_lost"] = {
            "id": "cus_lost",
            "metadata": {"account_id": history.account_id},
        }
        history.payers.subscribe("cus_lost", NOON)

        def check_out_between(call: str) -> None:
            if call == "transact_write_items" and not history.opened:
                check_out(history, history.direct)

        history.wire.meet = check_out_between
        deliver(history, history.billing)
        [recorded] = set(stripe.customers) - {"cus_lost"}
        assert history.read(frozenset()).account.customer_id == recorded
