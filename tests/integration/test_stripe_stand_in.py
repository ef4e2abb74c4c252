"""The laptop's Stripe, driven by Stripe's own client over HTTP as the product drives it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import DECLINED, FAILS_LATER, PAYS, SUCCESS, Laptop

DAY = 86_400


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the catalogue's prices; only the clock goes on."""
    process.endpoint.status = 200
    process.tick(0)
    process.http.post("/control/reset")
    process.endpoint.events.clear()
    return process


def test_a_wrong_key_is_refused(laptop: Laptop) -> None:
    client = stripe.StripeClient("sk_test_other", base_addresses={"api": laptop.url})
    with pytest.raises(stripe.AuthenticationError):
        client.v1.prices.list()


def test_prices_are_those_of_the_catalogue(laptop: Laptop) -> None:
    prices = laptop.client.v1.prices.list({"active": True, "expand": ["data.product"]}).data
    sold = [each.to_dict() for each in prices]
    offered = {
        each["lookup_key"]: (str(each["unit_amount_decimal"]), each["product"]["name"])
        for each in sold
    }
    assert offered == {
        "pro_monthly": ("1900", "Pro"),
        "pro_yearly": ("18240", "Pro"),
        "team_monthly": ("4900", "Team"),
        "team_yearly": ("47040", "Team"),
        "team_model_tokens_month": ("0.001", "Team"),
        "team_model_tokens_year": ("0.001", "Team"),
    }


def test_what_is_paid_is_announced_before_the_browser_returns(laptop: Laptop) -> None:
    session = laptop.checkout(laptop.customer(), trial_days=7)
    assert "7 days free" in laptop.http.get(str(session.url)).text
    paid = laptop.http.post(str(session.url), data={"card": PAYS})
    assert paid.status_code == 303
    assert paid.headers["location"] == f"http://localhost:8000/?checkout={session.id}"
    assert laptop.endpoint.types() == [
        "customer.created",
        "customer.subscription.created",
        "invoice.paid",
        "checkout.session.completed",
    ]
    completed = laptop.endpoint.only("checkout.session.completed")
    assert (completed.id, completed.status) == (session.id, "complete")
    assert (completed.client_reference_id, completed.livemode) == ("acc_1", False)
    assert laptop.endpoint.events[0].api_version == stripe.api_version


def test_a_checkout_with_trial_starts_trialing_for_nothing(laptop: Laptop) -> None:
    subscription = laptop.subscription(laptop.subscribe(trial_days=7))
    assert (subscription.status, subscription.metadata["account_id"]) == ("trialing", "acc_1")
    item = laptop.item(subscription.id)
    assert item.current_period_end == subscription.trial_end
    assert item.current_period_end - item.current_period_start == 7 * DAY
    assert laptop.endpoint.only("invoice.paid").amount_paid == 0


def test_a_checkout_without_trial_is_active_and_paid(laptop: Laptop) -> None:
    subscription = laptop.client.v1.subscriptions.retrieve(
        laptop.subscribe(), {"expand": ["latest_invoice", "customer"]}
    )
    assert subscription.status == "active"
    invoice, customer = subscription.latest_invoice, subscription.customer
    assert isinstance(invoice, stripe.Invoice)
    assert isinstance(customer, stripe.Customer)
    assert (invoice.status, invoice.amount_paid, customer.name) == ("paid", 1_900, "Ada")


def test_a_promotion_code_makes_the_first_invoice_free(laptop: Laptop) -> None:
    session = laptop.checkout(laptop.customer(), codes=True)
    assert "FREE100" in laptop.http.get(str(session.url)).text
    wrong = laptop.http.post(str(session.url), data={"card": PAYS, "code": "FREE"})
    assert (wrong.status_code, "This code is invalid" in wrong.text) == (402, True)
    paid = laptop.http.post(str(session.url), data={"card": PAYS, "code": "FREE100"})
    assert paid.status_code == 303
    found = laptop.client.v1.checkout.sessions.retrieve(session.id)
    assert (found.payment_status, found.amount_total) == ("no_payment_required", 0)
    assert laptop.subscription(str(found.subscription)).status == "active"
    assert laptop.endpoint.only("invoice.paid").amount_paid == 0
    assert not laptop.client.v1.charges.list().data


def test_a_checkout_takes_no_code_that_it_did_not_ask_for(laptop: Laptop) -> None:
    session = laptop.checkout(laptop.customer())
    form = {"card": PAYS, "code": "FREE100"}
    assert laptop.http.post(str(session.url), data=form).status_code == 402


def test_a_declined_card_shows_the_page_again_and_buys_nothing(laptop: Laptop) -> None:
    customer = laptop.customer()
    session = laptop.checkout(customer)
    refused = laptop.http.post(str(session.url), data={"card": DECLINED})
    assert refused.status_code == 402
    assert "declined" in refused.text
    assert "<form" in refused.text
    assert not laptop.client.v1.subscriptions.list({"customer": customer, "status": "all"}).data
    assert laptop.client.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_paying_twice_subscribes_once(laptop: Laptop) -> None:
    customer = laptop.customer()
    session = laptop.checkout(customer)
    for _ in range(2):
        assert laptop.http.post(str(session.url), data={"card": PAYS}).status_code == 303
    assert len(laptop.client.v1.subscriptions.list({"customer": customer}).data) == 1


def test_an_expired_checkout_cannot_be_paid(laptop: Laptop) -> None:
    session = laptop.checkout(laptop.customer())
    assert laptop.client.v1.checkout.sessions.expire(session.id).status == "expired"
    assert laptop.http.post(str(session.url), data={"card": PAYS}).status_code == 410
    abandoned = laptop.checkout(laptop.customer())
    laptop.tick(DAY + 1)
    assert laptop.client.v1.checkout.sessions.retrieve(abandoned.id).status == "expired"
    assert laptop.endpoint.types().count("checkout.session.expired") == 2


def test_a_repeated_idempotency_key_repeats_the_answer(laptop: Laptop) -> None:
    create = laptop.client.v1.customers.create
    first = create({"name": "Ada"}, {"idempotency_key": "k"})
    again = create({"name": "Ada"}, {"idempotency_key": "k"})
    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert len(laptop.client.v1.customers.list().data) == 1
    asked = laptop.http.get("/control/requests").json()["data"]
    assert [each["replayed"] for each in asked if each["idempotency_key"] == "k"] == [False, True]


def test_a_refusal_is_repeated_too(laptop: Laptop) -> None:
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
            laptop.client.v1.billing_portal.sessions.create(
                {"customer": "cus_nobody"}, {"idempotency_key": "k"}
            )
    assert laptop.http.get("/control/requests").json()["data"][-1]["replayed"] is True


def test_one_idempotency_key_for_two_bodies_is_refused(laptop: Laptop) -> None:
    laptop.client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as refusal:
        laptop.client.v1.customers.create({"name": "Grace"}, {"idempotency_key": "k"})
    assert refusal.value.http_status == 400


def test_a_repeat_of_what_is_under_way_meets_a_409(laptop: Laptop) -> None:
    def create(_: int) -> int:
        headers = {"authorization": "Bearer sk_test_local", "idempotency-key": "k"}
        return laptop.http.post("/v1/customers", headers=headers, data={"name": "Ada"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, range(4))) == [200, 409, 409, 409]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"nickname": "Ada"}, "parameter_unknown", "nickname"),
        ({"shipping": {"name": "Ada"}}, "parameter_missing", "shipping[address]"),
        ({"balance": "much"}, "parameter_invalid_integer", "balance"),
        ({"phone": ""}, "parameter_invalid_empty", "phone"),
        ({"balance": 5}, None, "balance"),
    ],
    ids=["unknown", "missing", "no integer", "empty", "known to Stripe but not here"],
)
def test_a_wrong_parameter_is_refused_and_named(
    laptop: Laptop, params: Any, code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        laptop.client.v1.customers.create(params)
    assert (refusal.value.code, refusal.value.param) == (code, param)
    assert not laptop.client.v1.customers.list().data


def test_what_does_not_exist_is_missing_by_code(laptop: Laptop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        laptop.client.v1.checkout.sessions.retrieve("cs_test_nothing")
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")


def test_lists_come_in_pages_newest_first(laptop: Laptop) -> None:
    made = [laptop.client.v1.customers.create({"name": str(n)}).id for n in range(3)]
    first = laptop.client.v1.customers.list({"limit": 2})
    assert ([each.id for each in first.data], first.has_more) == ([made[2], made[1]], True)
    rest = laptop.client.v1.customers.list({"limit": 2, "starting_after": made[1]})
    assert ([each.id for each in rest.data], rest.has_more) == ([made[0]], False)
    assert [each.id for each in first.auto_paging_iter()] == made[::-1]
    back = laptop.client.v1.customers.list({"limit": 1, "ending_before": made[0]})
    assert ([each.id for each in back.data], back.has_more) == ([made[1]], True)


def test_metadata_is_merged_key_by_key(laptop: Laptop) -> None:
    customer = laptop.client.v1.customers.create({"metadata": {"a": "1", "b": "2"}}).id
    changed = laptop.client.v1.customers.update(customer, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


def test_every_field_that_the_sdk_promises_is_there(laptop: Laptop) -> None:
    """A missing one would raise AttributeError here, and only null on the real service."""
    subscription = laptop.subscription(laptop.subscribe())
    [session] = laptop.client.v1.checkout.sessions.list().data
    [customer] = laptop.client.v1.customers.list().data
    [invoice] = laptop.client.v1.invoices.list({"customer": customer.id}).data
    portal = laptop.client.v1.billing_portal.sessions.create({"customer": customer.id})
    price = laptop.client.v1.prices.list().data[0]
    product = laptop.client.v1.products.retrieve(str(price.product))
    [item] = subscription["items"].data
    event = laptop.client.v1.events.list().data[0]
    on_request = {"deleted", "line_items", "sources", "subscriptions", "tax_ids", "tiers"}
    on_request |= {"currency_options", "payments", "_inner_class_types", "OBJECT_NAME"}
    for each in (subscription, session, customer, invoice, portal, price, product, item, event):
        promised = {
            name
            for name, kind in type(each).__annotations__.items()
            if not str(kind).startswith("typing.ClassVar")
        }
        assert promised - set(each.to_dict()) <= on_request, type(each).__name__


def test_the_card_that_only_attaches_pays_at_first(laptop: Laptop) -> None:
    assert laptop.subscription(laptop.subscribe(FAILS_LATER)).status == "active"


def test_a_price_tells_our_key_twice(laptop: Laptop) -> None:
    prices = laptop.client.v1.prices.list().data
    assert [each.metadata.to_dict() for each in prices] == [
        {"price_key": each.lookup_key} for each in prices
    ]


def test_a_deleted_customer_is_cancelled_and_takes_part_in_nothing(laptop: Laptop) -> None:
    subscription = laptop.subscribe()
    customer = str(laptop.subscription(subscription).customer)
    abandoned, portal = laptop.checkout(customer), laptop.portal(subscription)
    assert laptop.client.v1.customers.delete(customer).deleted is True
    laptop.tick(0)
    assert laptop.endpoint.types()[-3:] == [
        "checkout.session.expired",
        "customer.subscription.deleted",
        "customer.deleted",
    ]
    assert laptop.endpoint.only("customer.deleted").email == "ada@example.com"
    assert laptop.client.v1.customers.retrieve(customer).deleted is True
    assert not laptop.client.v1.customers.list().data
    history = laptop.client.v1.subscriptions.list({"customer": customer, "status": "ended"}).data
    assert [each.id for each in history] == [subscription]
    assert laptop.http.post(str(abandoned.url), data={"card": PAYS}).status_code == 410
    assert laptop.http.get(portal).status_code == 404
    for again in (laptop.checkout, laptop.client.v1.customers.delete):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            again(customer)
        assert refusal.value.code == "resource_missing"


@pytest.mark.parametrize(
    ("asked", "needs"),
    [("automatic_tax", {"address": "auto"}), ("tax_id_collection", {"name": "auto"})],
)
def test_taxes_of_a_known_customer_need_leave_to_update_it(
    laptop: Laptop, asked: str, needs: dict[str, str]
) -> None:
    params: Any = {
        "mode": "subscription",
        "customer": laptop.customer(),
        "line_items": [{"price": laptop.price("pro_monthly"), "quantity": 1}],
        "success_url": SUCCESS,
        asked: {"enabled": True},
    }
    with pytest.raises(stripe.InvalidRequestError, match="customer_update"):
        laptop.client.v1.checkout.sessions.create(params)
    params["customer_update"] = needs
    session = laptop.client.v1.checkout.sessions.create(params)
    assert session[asked].enabled is True
