"""The laptop's Stripe where money goes back: charges, refunds and disputes."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import FAILS_LATER, Laptop

DAY = 86_400


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the catalogue's prices; only the clock goes on."""
    process.tick(0)
    process.http.post("/control/reset")
    process.endpoint.events.clear()
    return process


def charges(laptop: Laptop, subscription: str) -> list[stripe.Charge]:
    customer = str(laptop.subscription(subscription).customer)
    return laptop.client.v1.charges.list({"customer": customer, "expand": ["data.refunds"]}).data


def dispute(laptop: Laptop, charge: str, status: str) -> str:
    opened = laptop.http.post("/control/disputes", json={"charge": charge, "status": status})
    assert opened.status_code == 200, opened.text
    return str(opened.json()["id"])


def move(laptop: Laptop, dispute: str, status: str) -> int:
    return laptop.http.post(f"/control/disputes/{dispute}", json={"status": status}).status_code


def test_every_attempt_at_a_card_is_a_charge_of_one_intent(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    laptop.tick(35 * DAY)
    second, first, paid = charges(laptop, subscription)
    assert [(each.status, each.paid) for each in (paid, first, second)] == [
        ("succeeded", True),
        ("failed", False),
        ("failed", False),
    ]
    assert first.payment_intent == second.payment_intent != paid.payment_intent


def test_a_charge_leads_to_the_invoice_that_it_paid(laptop: Laptop) -> None:
    subscription = laptop.subscription(laptop.subscribe())
    [charge] = charges(laptop, subscription.id)
    intent = str(charge.payment_intent)
    [payment] = laptop.client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}}
    ).data
    assert (payment.invoice, payment.status) == (subscription.latest_invoice, "paid")
    found = laptop.client.v1.payment_intents.retrieve(intent, {"expand": ["latest_charge"]})
    assert isinstance(found.latest_charge, stripe.Charge)
    assert found.latest_charge.id == charge.id


def test_a_trial_charges_nothing(laptop: Laptop) -> None:
    assert not charges(laptop, laptop.subscribe(trial_days=7))


def test_a_refund_counts_on_its_charge_and_leaves_the_subscription(laptop: Laptop) -> None:
    subscription = laptop.subscribe()
    [charge] = charges(laptop, subscription)
    refund = laptop.client.v1.refunds.create({"charge": charge.id, "amount": 900})
    laptop.client.v1.refunds.create({"payment_intent": str(charge.payment_intent)})
    laptop.tick(0)
    assert laptop.endpoint.types()[-4:] == ["refund.created", "charge.refunded"] * 2
    [charge] = charges(laptop, subscription)
    assert (charge.amount_refunded, charge.refunded) == (1_900, True)
    assert charge.refunds is not None
    assert [each.amount for each in charge.refunds.data] == [1_000, 900]
    listed = laptop.client.v1.refunds.list({"charge": charge.id, "expand": ["data.charge"]}).data
    assert [each.charge.id for each in listed] == [charge.id] * 2  # type: ignore[union-attr]  # expanded above
    assert laptop.subscription(subscription).status == "active"
    assert laptop.http.post(f"/control/refunds/{refund.id}/fail").json()["status"] == "failed"
    assert charges(laptop, subscription)[0].amount_refunded == 1_000
    assert laptop.endpoint.types()[-1] == "refund.failed"


@pytest.mark.parametrize(
    ("amount", "code"), [(0, None), (1_901, None), (1, "charge_already_refunded")]
)
def test_no_more_is_refunded_than_was_paid(laptop: Laptop, amount: int, code: str | None) -> None:
    [charge] = charges(laptop, laptop.subscribe())
    if code:
        laptop.client.v1.refunds.create({"charge": charge.id})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        laptop.client.v1.refunds.create({"charge": charge.id, "amount": amount})
    assert refusal.value.code == code


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_chargeback_is_won_or_lost_once(laptop: Laptop, outcome: str) -> None:
    [charge] = charges(laptop, laptop.subscribe())
    opened = dispute(laptop, charge.id, "needs_response")
    assert laptop.client.v1.charges.retrieve(charge.id).disputed is True
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        laptop.client.v1.refunds.create({"charge": charge.id})
    assert move(laptop, opened, "under_review") == 200
    assert move(laptop, opened, outcome) == 200
    assert move(laptop, opened, "won") == 400
    [found] = laptop.client.v1.disputes.list({"charge": charge.id}).data
    assert (found.id, found.status) == (opened, outcome)
    kinds = [kind for kind in laptop.endpoint.types() if "dispute" in kind]
    assert kinds[:4] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
    ]
    assert kinds[4:] == (["charge.dispute.funds_reinstated"] if outcome == "won" else [])


def test_an_inquiry_closes_or_becomes_a_chargeback(laptop: Laptop) -> None:
    [charge] = charges(laptop, laptop.subscribe())
    opened = dispute(laptop, charge.id, "warning_needs_response")
    assert "charge.dispute.funds_withdrawn" not in laptop.endpoint.types()
    assert move(laptop, opened, "lost") == 400
    assert move(laptop, opened, "needs_response") == 200
    assert laptop.endpoint.types()[-1] == "charge.dispute.funds_withdrawn"
    [other] = charges(laptop, laptop.subscribe())
    assert (
        move(laptop, dispute(laptop, other.id, "warning_needs_response"), "warning_closed") == 200
    )


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("disputes", {"charge": "ch_none", "status": "needs_response"}, 400),
        ("disputes/du_none", {"status": "won"}, 404),
        ("refunds/re_none/fail", {}, 404),
    ],
)
def test_a_control_of_what_is_not_there_is_refused(
    laptop: Laptop, path: str, asked: dict[str, str], status: int
) -> None:
    assert laptop.http.post(f"/control/{path}", json=asked).status_code == status


def test_every_field_of_a_payment_that_the_sdk_promises_is_there(laptop: Laptop) -> None:
    [charge] = charges(laptop, laptop.subscribe())
    opened = dispute(laptop, charge.id, "warning_needs_response")
    client = laptop.client.v1
    found: list[Any] = [
        client.refunds.create({"charge": charge.id, "amount": 1}),
        client.disputes.retrieve(opened),
        client.payment_intents.retrieve(str(charge.payment_intent)),
        *client.invoice_payments.list().data,
        charge,
    ]
    for each in found:
        promised = {
            name
            for name, kind in type(each).__annotations__.items()
            if not str(kind).startswith("typing.ClassVar")
        }
        absent = promised - set(each.to_dict()) - {"_inner_class_types", "OBJECT_NAME", "source"}
        assert not absent, type(each).__name__
