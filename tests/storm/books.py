"""What is written about every account of a storm, held against the model's verdict."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from local.stripe.wire import Json
from tests.integration.sign_in_service import CATALOGUE
from tests.storm import model
from tests.storm.merchant import Merchant
from tollgate.quota.claw_back import REFUNDED
from tollgate.quota.gate import USED
from tollgate.quota.records import Receipt
from tollgate.table import keys
from tollgate.table.client import Item, Table
from tollgate.tenancy.gate import Limits, Tenant
from tollgate.tenancy.records import Account

POLICY = model.Policy(
    plans={
        "pro_monthly": "pro",
        "pro_yearly": "pro",
        "team_monthly": "team",
        "team_yearly": "team",
    },
    order=("free", "pro", "team"),
    grace=7 * 86_400,
)


@dataclass(frozen=True)
class Written:
    """The account's items as they stand."""

    account: Account
    gate: Item
    receipts: Sequence[Receipt]

    @classmethod
    def read(cls, table: Table, account_id: str, merchant: Merchant) -> "Written":
        account = Account.read(table.get(keys.account(account_id)), merchant.now)
        gate = table.get(keys.gate(account_id))
        assert account is not None
        assert gate is not None
        page = table.query(f"ACCOUNT#{account_id}", "RECEIPT#")
        receipts = [Receipt.read(item, merchant.now) for item in page.items]
        return cls(account, gate, [each for each in receipts if each])


def broken(table: Table, merchant: Merchant, accounts: Iterable[str]) -> Iterator[str]:
    """Whatever differs from what the model says; nothing where all is right."""
    for account_id in accounts:
        mine = objects_of(merchant, account_id)
        written = Written.read(table, account_id, merchant)
        for problem in _broken(written, mine, merchant):
            yield f"{account_id}: {problem}"
    yield from _shared_trials(merchant)


def objects_of(merchant: Merchant, account_id: str) -> model.Merchant:
    """Everything of the customer that the account has: what a deleted one had is over, and what
    is still told of it reaches nobody (S27).
    """
    everything = {kind: merchant.store.all(kind) for kind in _KINDS}
    customers = living(merchant, account_id)
    charges = [each for each in everything["charge"] if each["customer"] in customers]
    charged = {each["id"] for each in charges}
    return model.Merchant(
        [each for each in everything["subscription"] if each["customer"] in customers],
        [each for each in everything["invoice"] if each["customer"] in customers],
        charges,
        [each for each in everything["refund"] if each["charge"] in charged],
        [each for each in everything["dispute"] if each["charge"] in charged],
        everything["price"],
    )


_KINDS = ("subscription", "invoice", "charge", "refund", "dispute", "price")


def living(merchant: Merchant, account_id: str) -> list[str]:
    """The customers that were made for the account and not deleted: never more than one."""
    return [
        each["id"]
        for each in merchant.store.all("customer")
        if each.get("metadata", {}).get("account_id") == account_id
    ]


def is_deleted_in_a_dispute(table: Table, account_id: str) -> bool:
    account = table.get(keys.account(account_id)) or {}
    return "customer_id" not in account and "suspended" in (table.get(keys.gate(account_id)) or {})


def _broken(written: Written, mine: model.Merchant, merchant: Merchant) -> Iterator[str]:
    now = merchant.actions.now
    yield from model.mistakes(mine, POLICY, now)
    verdict, seen = model.judge(mine, POLICY, now), _seen(written)
    if written.account.customer_id is None:  # whoever is deleted in a dispute keeps its outcome
        verdict = replace(verdict, suspended=seen.suspended)
    if seen != verdict:
        yield f"P5: {seen} is written, Stripe says {verdict}"
    tenant = Tenant.of(written.gate)
    limits, plan = tenant.limits, CATALOGUE.plans[tenant.limits.plan]
    if (limits.plan, limits) != (
        written.account.plan,
        Limits.of(plan, limits.anchor, limits.until, metered=limits.metered),
    ):
        yield f"P6: the projection has {written.account.plan}, the gate {limits}"
    alive = living(merchant, written.account.id)
    if alive != [each for each in [written.account.customer_id] if each]:
        yield f"S27: {written.account.customer_id} is linked, alive are {alive}"
    yield from _unsold(limits, mine, verdict)
    yield from _broken_refunds(written, mine)


def _unsold(limits: Limits, mine: model.Merchant, verdict: model.Verdict) -> Iterator[str]:
    """What goes beyond a team's month is sold by its subscription alone, to who pays for it."""
    pays = False
    for each in mine.subscriptions:
        if each["id"] != verdict.subscription or verdict.grace is not None:
            continue
        keys = [item["price"]["metadata"]["price_key"] for item in each["items"]["data"]]
        plans = [CATALOGUE.metered_keys[key] for key in keys if key in CATALOGUE.metered_keys]
        if sorted(plans) != sorted(key for key in keys if key not in POLICY.plans):
            yield f"S9: {each['id']} has {keys}"
        pays = bool(plans) and each["status"] == "active" and not each["pause_collection"]
    if limits.metered != pays:
        yield f"the gate sells beyond the month: {limits.metered}, paid for: {pays}"


def _seen(written: Written) -> model.Verdict:
    """The gate and the projection in the model's words."""
    account, tenant = written.account, Tenant.of(written.gate)
    free = tenant.limits.plan == POLICY.order[0]
    until = tenant.limits.until
    return model.Verdict(
        tenant.limits.plan,
        None if until is None else until // 1000,
        int(account.grace_until.timestamp()) if account.grace_until and not free else None,
        None if free else account.subscription_id,
        tenant.suspended,
    )


def _broken_refunds(written: Written, mine: model.Merchant) -> Iterator[str]:
    """Each decided once, and what the receipts took back is what the gate counts (P2, S25)."""
    taken = {
        each.generation_id.removeprefix("refund_"): each
        for each in written.receipts
        if each.outcome == REFUNDED
    }
    charges = {each["id"]: each for each in mine.charges}
    for refund in mine.refunds:
        receipt = taken.get(refund["id"])
        if refund["status"] == "succeeded" and receipt is None:
            yield f"S25: {refund['id']} took nothing back"
        if refund["status"] == "failed" and _charged(receipt):
            yield f"S25: {refund['id']} failed, and took something back"
        if receipt and not _is_part(receipt, refund, charges, taken.values()):
            yield f"S25: {refund['id']} took {receipt.input_tokens} back"
    spent: Counter[str] = Counter()
    for receipt in taken.values():
        spent[receipt.period] += receipt.charged_tokens
    used = {
        name.removeprefix(USED): int(value["N"])
        for name, value in written.gate.items()
        if name.startswith(USED)
    }
    if +Counter(used) != +spent:
        yield f"P2: {used} is used, the receipts say {spent}"


def _charged(receipt: Receipt | None) -> int:
    return receipt.charged_tokens if receipt else 0


def _is_part(
    receipt: Receipt,
    refund: model.Json,
    charges: Mapping[str, model.Json],
    taken: Collection[Receipt],
) -> bool:
    """Of any plan's allowance, by its price or a higher charge; less where other refunds have had
    the rest of the month, and nothing where its period was over.
    """
    whole = charges[refund["charge"]]["amount"]
    parts = {
        plan.month * refund["amount"] // max(whole, price.amount)
        for plan in CATALOGUE.plans.values()
        for price in plan.prices
    }
    beside = sum(each.period == receipt.period for each in taken) > 1
    tokens = receipt.input_tokens
    return tokens in {0, *parts} or (beside and tokens < max(parts))


def _shared_trials(merchant: Merchant) -> Iterator[str]:
    trials = [each for each in merchant.store.all("subscription") if each["status"] == "trialing"]
    for one, other in combinations(trials, 2):
        if _card(one, merchant) == _card(other, merchant) is not None:
            yield f"S11: {one['id']} and {other['id']} are tried with one card"


def _card(subscription: Json, merchant: Merchant) -> str | None:
    method = merchant.store.get("payment_method", subscription["default_payment_method"] or "")
    card: Json = (method or {}).get("card") or {}
    return card.get("fingerprint")
