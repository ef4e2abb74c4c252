"""One trial for an account, an e-mail address and a payment method, whoever asks for another.

The method is known only after the checkout, so that what is refused is running already.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.billing import records
from tollgate.billing.subscription import Subscription
from tollgate.table import keys
from tollgate.table.client import Table

if TYPE_CHECKING:
    from tollgate.tenancy.records import Account


@dataclass(frozen=True, slots=True)
class Trials:
    """`claims` are new: a subscription's id by their key. `refused` are on a second trial, of which
    `second` names those too that were.
    """

    claims: Mapping[keys.Key, str]
    refused: tuple[Subscription, ...]
    second: frozenset[str]


def read_trials(
    table: Table, account: "Account", subscriptions: list[Subscription], now: datetime
) -> Trials:
    """The oldest subscription comes first, unless another one holds a claim already."""
    claims: dict[keys.Key, str] = {}
    refused, second = [], set()
    for each in sorted(subscriptions, key=lambda each: (each.created_at, each.id)):
        if each.trial_end is None:
            continue
        holders = {key: claims.get(key) or _holder(table, key, now) for key in _keys(account, each)}
        if any(holder not in {None, each.id} for holder in holders.values()):
            second.add(each.id)
            if each.status == "trialing":
                refused.append(each)
            continue
        free = (key for key, holder in holders.items() if holder is None)
        claims |= {key: each.id for key in free if _may_claim(account, key)}
    return Trials(claims, tuple(refused), frozenset(second))


def by_email(address: str) -> keys.Key:
    """Of the claim on an address, in one spelling for each mailbox."""
    return keys.trial("email", unicodedata.normalize("NFC", address.strip()).lower())


def _keys(account: "Account", subscription: Subscription) -> Iterator[keys.Key]:
    yield keys.trial("account", account.id)
    yield by_email(account.email)
    if subscription.method is not None:
        yield keys.trial(subscription.method.kind, subscription.method.fingerprint)


def _may_claim(account: "Account", key: keys.Key) -> bool:
    """Nobody uses up the trial of an address that is not proved to be theirs."""
    return bool(account.email_verified) or key != by_email(account.email)


def _holder(table: Table, key: keys.Key, now: datetime) -> str | None:
    claim = records.TrialClaim.read(table.get(key), now)
    return None if claim is None else claim.subscription_id
