"""From a price to Stripe's hosted page: one customer per account, one subscription, one trial."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tollgate.billing import projection, records
from tollgate.billing.apply_subscription import Billing, sync_account
from tollgate.billing.checkout import Checkout, CheckoutSession, InProgress
from tollgate.billing.checkout_turn import Opened, Turn, take_turn
from tollgate.billing.subscription import Subscription
from tollgate.billing.trials import by_email
from tollgate.table import keys
from tollgate.table.client import Cancelled, Unavailable, Update, put, update
from tollgate.table.idempotency import Idempotency

if TYPE_CHECKING:
    from tollgate.tenancy.records import Account


class UnknownPrice(Exception):
    """No plan of the catalogue has this price."""


class AlreadySubscribed(Exception):
    """There is a subscription, which is changed in the portal and never bought a second time."""


def start_checkout(
    billing: Billing, account_id: str, price_key: str, base: str, client_key: str | None
) -> Opened:
    """`base` is the service's address, `client_key` the Idempotency-Key: one key, one answer.

    Errors: `UnknownPrice`, `AlreadySubscribed`, `Mismatch`, `BillingUnavailable`, `Unavailable`.
    """
    if billing.catalogue.plan_of_price(price_key) is None:
        raise UnknownPrice
    work = partial(_open, billing, account_id, price_key, base)
    if client_key is None:
        return work()
    key = keys.idempotency(account_id, "checkout", client_key)
    once = Idempotency(billing.table, key, price_key.encode())
    answer = once.answer(lambda: msgspec.json.encode(work()).decode(), billing.clock())
    return msgspec.json.decode(answer, type=Opened)


def _open(billing: Billing, account_id: str, price_key: str, base: str) -> Opened:
    turn = take_turn(billing.table, account_id, f"{price_key} {base}", billing.clock)
    if isinstance(turn, Opened):
        return turn
    try:
        page = _only_page(billing, turn, price_key, base)
    except Exception:
        # Whatever it was, it is raised again: a refusal must not keep the next one waiting.
        turn.give_up()
        raise
    return Opened(page.url or "", page.id)


def _only_page(billing: Billing, turn: Turn, price_key: str, base: str) -> CheckoutSession:
    """The open pages are read before the subscriptions: one that is paid in between is found among
    the latter, and one that is paid later refuses to be closed.
    """
    account = projection.read(billing.table, turn.account_id, billing.clock())
    if account is None:
        raise Unavailable("the session's account is not there")
    customer_id = account.customer_id or _become_customer(billing, turn, account)
    pages = billing.stripe.open_checkouts(customer_id)
    subscriptions = billing.stripe.subscriptions(customer_id)
    if any(each.is_live for each in subscriptions):
        _close(billing, pages)
        raise _subscribed(billing, account.id)
    metered_key = billing.catalogue.metered_keys.get(price_key)
    wanted = Checkout(
        account_id=account.id,
        customer_id=customer_id,
        price_id=billing.stripe.price_id(price_key),
        metered_id=billing.stripe.price_id(metered_key) if metered_key else None,
        trial_days=_trial_days(billing, account, subscriptions),
        success_url=f"{base}/?checkout={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{base}/",
        options=billing.catalogue.checkout,
    )
    standing = next((page for page in pages if page.fingerprint == wanted.fingerprint), None)
    if not _close(billing, [page for page in pages if page is not standing]):
        raise _subscribed(billing, account.id)
    if standing is None:
        return _new_page(billing, turn, wanted)
    with suppress(InProgress):  # whoever leads by now says what is open; this page was, just now
        turn.finish(standing)
    return standing


def _trial_days(billing: Billing, account: "Account", subscriptions: Iterable[Subscription]) -> int:
    """No trial for an account or an address that had one; a card is known only afterwards."""
    if account.had_trial or any(each.trial_end is not None for each in subscriptions):
        return 0
    claimed = billing.table.get(by_email(account.email)) is not None
    return 0 if claimed else billing.catalogue.trial_days


def _new_page(billing: Billing, turn: Turn, wanted: Checkout) -> CheckoutSession:
    """Closed again where it came too late: after another attempt had looked for open ones."""
    stripe_key = turn.begin(wanted.fingerprint, billing.clock())
    with turn.asking():
        page = billing.stripe.open_checkout(wanted, stripe_key)
    try:
        turn.finish(page)
    except InProgress:
        billing.stripe.expire_checkout(page.id)
        raise
    return page


def _close(billing: Billing, pages: Iterable[CheckoutSession]) -> bool:
    """False where one of them was paid meanwhile."""
    paid = [page for page in pages if not billing.stripe.expire_checkout(page.id)]
    return not paid


def _subscribed(billing: Billing, account_id: str) -> AlreadySubscribed:
    """With the projection brought up to what Stripe has."""
    sync_account(billing, account_id)
    return AlreadySubscribed()


def _become_customer(billing: Billing, turn: Turn, account: "Account") -> str:
    """Stripe answers every asking with one customer; should it not, the first record decides.

    No attempt begins before the customer is recorded, so all who ask at once have one number.
    """
    answered = int(account.customers_gone) + turn.attempt
    try:
        with turn.asking():
            customer_id = billing.stripe.create_customer(
                account.id, account.email, account.name, answered
            )
    except InProgress:
        return _recorded_customer(billing, account.id)
    record = Update(
        # Counted, so that no event that was read before it puts another customer in its place.
        "SET #customer_id = :customer, #applied_seq = #applied_seq + :one",
        {"#customer_id": "customer_id", "#applied_seq": "applied_seq"},
        {
            ":customer": {"S": customer_id},
            ":one": {"N": "1"},
            ":seen": {"N": str(account.applied_seq)},
        },
        "#applied_seq = :seen",
    )
    mapping = records.customer(customer_id, account.id).serialize()
    try:
        billing.table.transact(
            update(keys.account(account.id), record),
            put(mapping, if_absent=True, or_same="account_id"),
        )
    except Cancelled:
        return _recorded_customer(billing, account.id)
    return customer_id


def _recorded_customer(billing: Billing, account_id: str) -> str:
    account = projection.read(billing.table, account_id, billing.clock())
    if account is None or account.customer_id is None:
        raise Unavailable("the customer is not recorded yet")
    return account.customer_id
