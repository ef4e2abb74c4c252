"""Lives without chance, which between them bring every kind of event about; each pauses wherever
its events are to be delivered.
"""

from collections.abc import Callable, Generator, Iterator

from local.stripe import cards
from local.stripe.cycle import DAY
from tests.storm.crashes import Till
from tollgate.billing.start_checkout import start_checkout

Script = Callable[[Till], Iterator[None]]


def pays_and_leaves(till: Till) -> Iterator[None]:
    actions = till.merchant.actions
    bought = yield from _bought(till, "pro_monthly")
    actions.advance(32 * DAY)
    yield
    actions.change_price(bought, "team_monthly", "error_if_incomplete")
    yield
    actions.cancel_at_period_end(bought)
    yield
    actions.cancel(bought)
    yield


def fails_to_pay(till: Till) -> Iterator[None]:
    actions = till.merchant.actions
    customer = actions.customer("c0@example.com", till.account)
    bought = actions.subscribe(customer, "pro_monthly", card=cards.ATTACHES_ONLY)
    yield
    actions.change_price(bought, "team_monthly", "pending_if_incomplete")
    yield
    actions.advance(DAY)
    yield
    actions.change_price(bought, "team_monthly", "allow_incomplete")
    yield
    actions.advance(2 * DAY)
    till.merchant.client.v1.invoices.void_invoice(_owed(till))
    yield
    actions.advance(30 * DAY)
    yield
    till.merchant.client.v1.invoices.mark_uncollectible(_owed(till))
    yield
    actions.exhausted_becomes("unpaid")
    actions.advance(60 * DAY)
    yield
    actions.take_card(customer, cards.PAYS)
    actions.pay(_owed(till))
    yield


def applies_a_change_late(till: Till) -> Iterator[None]:
    actions = till.merchant.actions
    customer = actions.customer("c0@example.com", till.account)
    bought = actions.subscribe(customer, "pro_monthly", card=cards.ATTACHES_ONLY)
    actions.change_price(bought, "team_yearly", "pending_if_incomplete")
    yield
    actions.take_card(customer, cards.PAYS)
    actions.pay(_owed(till))
    yield


def tries_twice(till: Till) -> Iterator[None]:
    """S11: the second account pays with the same card, and is charged at once."""
    actions = till.merchant.actions
    yield from _bought(till, "pro_monthly")
    actions.advance(4 * DAY)
    yield
    customer = actions.customer("c1@example.com", till.other)
    actions.subscribe(customer, "team_monthly", trial_days=7)
    yield


def tries_without_a_card(till: Till) -> Iterator[None]:
    actions, client = till.merchant.actions, till.merchant.client
    customer = actions.customer("c0@example.com", till.account)
    bought = actions.subscribe(customer, "pro_monthly", trial_days=7)
    yield
    found = till.merchant.store.get("subscription", bought)
    assert found is not None
    pauses = {"end_behavior": {"missing_payment_method": "pause"}}
    changes = {"default_payment_method": None, "trial_settings": pauses}
    till.merchant.put(found | changes)
    actions.advance(8 * DAY)
    yield
    actions.take_card(customer, cards.PAYS)
    client.v1.subscriptions.resume(bought)
    yield


def buys_twice(till: Till) -> Iterator[None]:
    """S23: the cheaper one is cancelled."""
    yield from _bought(till, "pro_monthly")
    till.merchant.actions.advance(8 * DAY)
    yield
    till.merchant.actions.subscribe(_customer(till), "team_monthly")
    yield


def takes_it_back(till: Till) -> Iterator[None]:
    actions = till.merchant.actions
    customer = actions.customer("c0@example.com", till.account)
    actions.subscribe(customer, "pro_monthly")
    yield
    [charge] = till.merchant.store.all("charge")
    refund = actions.refund(charge["id"], 400)
    yield
    actions.fail_refund(refund)
    yield
    dispute = actions.dispute(charge["id"], "needs_response")
    yield
    actions.move_dispute(dispute, "under_review")
    yield
    actions.move_dispute(dispute, "lost")
    yield


def wins_a_dispute_and_is_deleted(till: Till) -> Iterator[None]:
    actions = till.merchant.actions
    customer = actions.customer("c0@example.com", till.account)
    actions.subscribe(customer, "pro_yearly")
    yield
    [charge] = till.merchant.store.all("charge")
    dispute = actions.dispute(charge["id"], "warning_needs_response")
    actions.move_dispute(dispute, "needs_response")
    yield
    actions.move_dispute(dispute, "won")
    yield
    actions.delete_customer(customer)
    yield


def pays_from_a_bank(till: Till) -> Iterator[None]:
    actions = till.merchant.actions
    customer = actions.customer("c0@example.com", till.account)
    actions.subscribe(customer, "pro_monthly", card=cards.DEBIT_FAILS)
    yield
    actions.advance(4 * DAY)
    yield
    actions.subscribe(customer, "pro_monthly", card=cards.DEBIT_SUCCEEDS)
    actions.advance(4 * DAY)
    yield


def leaves_the_page(till: Till) -> Iterator[None]:
    """And is deleted, without having bought anything."""
    start_checkout(till.billing, till.account, "pro_monthly", "http://x", None)
    till.merchant.actions.advance(2 * DAY)
    yield
    till.merchant.actions.delete_customer(_customer(till))
    yield


def hears_of_the_rest(till: Till) -> Iterator[None]:
    """Types that the model of Stripe never announces: of a real account they come all the same."""
    actions, store = till.merchant.actions, till.merchant.store
    actions.subscribe(actions.customer("c0@example.com", till.account), "pro_monthly")
    [charge] = store.all("charge")
    actions.refund(charge["id"], 400)
    yield
    for kind, events in _UNANNOUNCED.items():
        for event in events:
            till.merchant.put(store.all(kind)[0], event)
            yield


_UNANNOUNCED = {
    "subscription": ("customer.subscription.trial_will_end",),
    "invoice": (
        "invoice.overdue",
        "invoice.payment_action_required",
        "invoice.payment_succeeded",
    ),
    "refund": ("refund.updated",),
}

SCRIPTS: tuple[Script, ...] = (
    pays_and_leaves,
    fails_to_pay,
    applies_a_change_late,
    tries_twice,
    tries_without_a_card,
    buys_twice,
    takes_it_back,
    wins_a_dispute_and_is_deleted,
    pays_from_a_bank,
    leaves_the_page,
    hears_of_the_rest,
)


def _bought(till: Till, price: str) -> Generator[None, None, str]:
    """Through our own checkout."""
    page = start_checkout(till.billing, till.account, price, "http://x", None)
    till.merchant.pay(page.checkout_session_id, cards.PAYS)
    yield
    bought: str = till.merchant.store.all("subscription")[0]["id"]
    return bought


def _customer(till: Till) -> str:
    found: str = till.merchant.store.all("customer")[0]["id"]
    return found


def _owed(till: Till) -> str:
    found: str = next(
        each["id"] for each in till.merchant.store.all("invoice") if each["status"] == "open"
    )
    return found
