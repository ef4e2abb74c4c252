"""What Stripe says of one account, with what had to be put right there before.

Stripe is changed first and read again after it, so that a crash in between writes nothing here and
leaves the rest to the redelivery.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from tollgate.billing.charges import CONTESTABLE, Charge, Contested, revoked
from tollgate.billing.checkout import BillingUnavailable, Refused
from tollgate.billing.entitlement import DUPLICATE, Entitlement, Policy, entitlement
from tollgate.billing.metering import Mending, mending
from tollgate.billing.subscription import Subscription
from tollgate.billing.trials import read_trials
from tollgate.logs import raise_alarm
from tollgate.table.keys import Key

if TYPE_CHECKING:
    from tollgate.billing.apply_subscription import Billing
    from tollgate.catalogue import Catalogue
    from tollgate.tenancy.records import Account


@dataclass(frozen=True, slots=True)
class Reading:
    """`trialled`: one of the subscriptions has or had a trial.

    `customer_deleted`: the account has no customer any more. `claims` and `second_trials` are those
    of `Trials`.
    """

    entitlement: Entitlement
    trialled: bool
    customer_deleted: bool = False
    contested: Contested = field(default_factory=Contested)
    claims: Mapping[Key, str] = field(default_factory=dict)
    second_trials: frozenset[str] = frozenset()

    @property
    def charges(self) -> tuple[Charge, ...] | None:
        """Those that were taken back; None where they are not known."""
        return self.contested.charges


def read_stripe(
    billing: "Billing", account: "Account", customer_id: str, *, wholly: bool
) -> Reading:
    """`wholly` also looks for what is rare, which is an event's work and not that of a request
    that somebody waits for. Errors: `BillingUnavailable`, but not for the charges.
    """
    subscriptions = billing.stripe.subscriptions(customer_id)
    contested = _contested(billing, account, customer_id) if wholly else Contested()
    if _cancelled(billing, account, subscriptions, contested.charges or ()):
        subscriptions = billing.stripe.subscriptions(customer_id)
    claims: Mapping[Key, str] = {}
    second_trials: frozenset[str] = frozenset()
    if wholly:
        trials = read_trials(billing.table, account, subscriptions, billing.clock())
        claims, second_trials = trials.claims, trials.second
        if trials.refused:
            _end_trials(billing, trials.refused)
            subscriptions = billing.stripe.subscriptions(customer_id)
        if _mended(billing, account, subscriptions):
            subscriptions = billing.stripe.subscriptions(customer_id)
    return Reading(
        reduced(billing, account, subscriptions),
        any(each.trial_end is not None for each in subscriptions),
        customer_deleted=wholly and _is_deleted(billing, customer_id, subscriptions),
        contested=contested,
        claims=claims,
        second_trials=second_trials,
    )


def read_nobody(billing: "Billing", account: "Account") -> Reading:
    """Of an account that has no customer at Stripe: nothing can stand there for it."""
    return Reading(reduced(billing, account, []), trialled=False, contested=Contested(()))


def _contested(billing: "Billing", account: "Account", customer_id: str) -> Contested:
    """Whoever pays can have so many cards declined that nobody reads it all in time: what else
    there is does not wait for it.
    """
    try:
        found = billing.stripe.charges(customer_id, billing.clock() - CONTESTABLE)
    except BillingUnavailable as fault:
        return Contested(fault=fault)
    if not found.is_all:
        raise_alarm("too_many_charges", account=account.id, customer=customer_id)
    return found


def _cancelled(
    billing: "Billing",
    account: "Account",
    subscriptions: list[Subscription],
    charges: Iterable[Charge],
) -> bool:
    """What a lost dispute revoked, else what is paid twice; False where all stays."""
    lost = revoked(subscriptions, charges)
    why, chosen = "dispute_lost", lost
    if not lost:
        why, chosen = DUPLICATE, reduced(billing, account, subscriptions).duplicates
    for subscription_id in chosen:
        raise_alarm(why, account=account.id, subscription=subscription_id)
        billing.stripe.cancel(subscription_id)
    return bool(chosen)


def _mended(billing: "Billing", account: "Account", subscriptions: list[Subscription]) -> bool:
    """Whether a metered price came or went. A gate sells beyond its month only after it has come.

    Stripe repeats its answer to a key, and a price may come, go and come again within a day: the
    events of that move `applied_seq`. Where Stripe refuses it the plan is not kept back for that.
    """
    wrong = unmetered(billing, account, subscriptions)
    if wrong is None:
        return False
    try:
        price_id = billing.stripe.price_id(wrong.adds) if wrong.adds else None
        parts = (wrong.subscription_id, int(account.applied_seq), price_id, *wrong.removes)
        key = "-".join(("items", *(str(part) for part in parts)))
        billing.stripe.change_items(wrong.subscription_id, price_id, wrong.removes, key)
    except Refused:
        raise_alarm("metered_price_refused", account=account.id, subscription=wrong.subscription_id)
        return False
    return True


def unmetered(
    billing: "Billing", account: "Account", subscriptions: list[Subscription]
) -> Mending | None:
    found = reduced(billing, account, subscriptions)
    return mending(found, subscriptions, _policy(billing.catalogue))


def _end_trials(billing: "Billing", refused: Iterable[Subscription]) -> None:
    """Who has cancelled already is not charged."""
    for each in refused:
        if each.is_ending:
            billing.stripe.cancel(each.id)
        else:
            billing.stripe.end_trial(each.id)


def _is_deleted(
    billing: "Billing", customer_id: str, subscriptions: Iterable[Subscription]
) -> bool:
    """Asked for where nothing is live, whatever the event: Stripe cancels what a customer had."""
    if any(each.is_live for each in subscriptions):
        return False
    customer = billing.stripe.customer(customer_id)
    return customer is not None and customer.is_deleted


def reduced(
    billing: "Billing", account: "Account", subscriptions: list[Subscription]
) -> Entitlement:
    """What `subscriptions` grant the account at this moment."""
    catalogue = billing.catalogue
    old_plan = account.plan if account.plan in catalogue.plans else catalogue.lowest.id
    return entitlement(subscriptions, old_plan, billing.clock(), _policy(catalogue))


def _policy(catalogue: "Catalogue") -> Policy:
    return Policy(
        plans={price.key: plan.id for plan in catalogue.plans.values() for price in plan.prices},
        order=tuple(catalogue.plans),
        grace=timedelta(days=catalogue.grace_days),
        metered=catalogue.metered_keys,
    )
