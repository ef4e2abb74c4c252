"""Short histories of billing without chance: whose a Stripe customer is."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from local import template
from tests.faults.history import Violation
from tests.faults.wire import Arguments, Wire
from tests.integration.billing_stripe import ScriptedStripe, running_stripe
from tests.integration.quota.house import NOON
from tests.integration.sign_in_service import CATALOGUE, profile, signed_in
from tollgate.billing import projection
from tollgate.billing.apply_subscription import Billing, Event, apply_event
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.start_checkout import start_checkout
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.quota.limits import write_limits
from tollgate.table import keys
from tollgate.table.client import Table, Unavailable, Update
from tollgate.tenancy import gate
from tollgate.tenancy.gate import Tenant

Tamper = Callable[[str, Arguments], Arguments]


class Till:
    """Accounts and a Stripe, and what comes ahead of the next transaction of `billing`."""

    def __init__(
        self, client: Any, table_name: str, stripe: ScriptedStripe, tamper: Tamper
    ) -> None:
        self.stripe, self.table = stripe, Table(client, table_name)
        self.numbers = count(1)
        self.wire = Wire(client, tamper=tamper)
        self.billing = self._billing(Table(self.wire, table_name), NOON)
        # So much later that whoever opens a checkout is taken for dead.
        self.beside = self._billing(self.table, NOON + timedelta(seconds=10))

    def _billing(self, table: Table, now: datetime) -> Billing:
        return Billing(table, CATALOGUE, StripeGateway("sk_test_x", self.stripe.url), lambda: now)

    def account(self) -> str:
        number = next(self.numbers)
        who = profile(f"s{number}", f"p{number}@example.com")
        return signed_in(self.table, who, NOON).account

    def customer_of(self, account: str) -> str | None:
        found = projection.read(self.table, account, NOON)
        return None if found is None else found.customer_id

    def tenant(self, account: str) -> Tenant:
        found = gate.read(self.table, account)
        assert found is not None
        return found

    def before_the_transaction(self, work: Callable[[], object]) -> None:
        first = iter([True])

        def meet(call: str) -> None:
            if call == "transact_write_items" and next(first, False):
                work()

        self.wire.meet = meet


def expect(*, holds: bool, promise: str) -> None:
    if not holds:
        raise Violation(promise)


def two_customers_are_made(till: Till) -> None:
    """Stripe has forgotten the key under which it made the first: the first record decides."""
    account = till.account()
    recorded: list[str | None] = []

    def faster() -> None:
        till.stripe.forget_keys()
        start_checkout(till.beside, account, "pro_monthly", "http://x", None)
        recorded.append(till.customer_of(account))

    till.before_the_transaction(faster)
    start_checkout(till.billing, account, "pro_monthly", "http://x", None)
    expect(holds=[till.customer_of(account)] == recorded, promise="I4: the customer was replaced")


def a_refusal_comes_late(till: Till) -> None:
    """I4: the attempts of whoever has overtaken it stay counted, so no key is used again."""
    account, path = till.account(), "/v1/checkout/sessions"
    page = partial(start_checkout, till.beside, account, base="http://x", client_key=None)
    first = iter([True])

    def overtaken(at: str) -> None:
        if at == path and till.stripe.posted(path) and next(first, False):
            till.stripe.faults.clear()
            page("pro_yearly")
            page("pro_monthly")

    till.stripe.faults[f"POST {path}"] = (400, "tax_address_missing")
    till.stripe.before_answer = overtaken
    with suppress(BillingUnavailable):
        start_checkout(till.billing, account, "pro_monthly", "http://x", None)
    ended = page("pro_monthly").checkout_session_id
    till.stripe.sessions[ended]["status"] = "expired"
    expect(
        holds=page("pro_monthly").checkout_session_id != ended,
        promise=f"I4: {ended} was opened again",
    )


def two_accounts_try_with_one_card(till: Till) -> None:
    """S11: at once. Whoever claims the card first keeps the trial."""
    method = {"id": "pm_1", "type": "card", "card": {"fingerprint": "one"}}
    ends = int((NOON + timedelta(days=7)).timestamp())
    trials = []
    for customer in ("cus_one", "cus_two"):
        metadata = {"account_id": till.account()}
        till.stripe.customers[customer] = {"id": customer, "metadata": metadata}
        trial: dict[str, Any] = {"trial_end": ends, "default_payment_method": method}
        trials.append(till.stripe.subscribe(customer, status="trialing", **trial))
    other = Event("evt_2", "customer.subscription.created", "cus_two")
    till.before_the_transaction(partial(apply_event, till.beside, other))
    apply_event(till.billing, Event("evt_1", "customer.subscription.created", "cus_one"))
    running = [each["status"] for each in trials].count("trialing")
    expect(holds=running == 1, promise=f"S11: {running} trials with one card")


def a_customer_changes_hands(till: Till) -> None:
    """P9: while its first event is read, a person gives it to another account in the dashboard."""
    one, other = till.account(), till.account()
    customer = "cus_till"
    till.stripe.customers[customer] = {"id": customer, "metadata": {"account_id": one}}
    till.stripe.subscribe(customer)

    def given() -> None:
        till.stripe.customers[customer]["metadata"]["account_id"] = other
        apply_event(till.beside, Event("evt_2", "customer.updated", customer))

    till.before_the_transaction(given)
    with suppress(Unavailable):
        apply_event(till.billing, Event("evt_1", "customer.updated", customer))
    owners = [each for each in (one, other) if till.customer_of(each) == customer]
    expect(holds=owners == [other], promise=f"P9: {customer} pays for {owners}")


def an_account_has_lost_its_link(till: Till) -> None:
    """P5: its customer still names it, so the next event brings both together again."""
    account, customer = till.account(), "cus_till"
    till.stripe.customers[customer] = {"id": customer, "metadata": {"account_id": account}}
    apply_event(till.billing, Event("evt_1", "customer.created", customer))
    lost = Update("REMOVE #customer_id", {"#customer_id": "customer_id"})
    till.table.update(keys.account(account), lost)
    apply_event(till.billing, Event("evt_2", "customer.updated", customer))
    expect(
        holds=till.customer_of(account) == customer,
        promise=f"P5: {customer} pays for nobody",
    )


def limits_change_while_an_event_is_applied(till: Till) -> None:
    """P7: two who knew one version make two others of it."""
    account, customer = till.account(), "cus_till"
    till.stripe.customers[customer] = {"id": customer, "metadata": {"account_id": account}}
    till.stripe.subscribe(customer)

    def another_release() -> None:
        tenant = till.tenant(account)
        smaller = replace(tenant.limits, concurrent=1)
        till.table.update(keys.gate(account), write_limits(tenant, smaller))

    before = till.tenant(account).version
    till.before_the_transaction(another_release)
    apply_event(till.billing, Event("evt_till", "customer.subscription.updated", customer))
    after = till.tenant(account)
    expect(
        holds=(after.version, after.limits.plan) == (before + 2, "pro"),
        promise=f"P7: version {before} became {after.version} of {after.limits.plan}",
    )


OF_BILLING: Mapping[str, Callable[[Till], None]] = {
    each.__name__: each
    for each in (
        two_customers_are_made,
        a_refusal_comes_late,
        two_accounts_try_with_one_card,
        a_customer_changes_hands,
        an_account_has_lost_its_link,
        limits_change_while_an_event_is_applied,
    )
}


def play_with_stripe(scenario: Callable[[Till], None], client: Any, tamper: Tamper) -> None:
    """On a table and a Stripe of its own. Errors: Violation, whatever went wrong."""
    name = f"till-{uuid4().hex}"
    client.create_table(**template.load().table(name))
    logging.disable(logging.CRITICAL)
    try:
        with running_stripe() as stripe:
            scenario(Till(client, name, stripe, tamper))
    except Violation:
        raise
    except Exception as error:
        raise Violation(f"{scenario.__name__} raised {error!r}") from error
    finally:
        logging.disable(logging.NOTSET)
