"""The account's copy of Stripe's truth, fenced: no older reading replaces a newer one."""

from datetime import datetime

from tollgate.billing.entitlement import Entitlement
from tollgate.table import keys
from tollgate.table.client import Table, Update
from tollgate.tenancy.records import Account

PROJECTED = (
    "plan",
    "customer_id",
    "customers_gone",
    "subscription_id",
    "subscription_status",
    "price_key",
    "current_period_end",
    "cancel_at_period_end",
    "grace_until",
    "had_trial",
    "on_hold",
)


def read(table: Table, account_id: str, now: datetime) -> Account | None:
    return Account.read(table.get(keys.account(account_id)), now)


def project(
    account: Account, found: Entitlement, customer_id: str | None, *, trialled: bool
) -> bool:
    """Sets `account` to what was found; False where it said so. A trial is never forgotten.

    `customer_id` None: the customer was deleted at Stripe.
    """
    before = account.serialize()
    if account.customer_id is not None and customer_id is None:
        account.customers_gone += 1
    account.plan = found.plan_id
    account.customer_id = customer_id
    account.subscription_id = found.subscription_id
    account.subscription_status = found.status
    account.price_key = found.price_key
    account.current_period_end = found.current_period_end
    account.cancel_at_period_end = found.cancel_at_period_end
    account.grace_until = found.grace_until
    account.had_trial = account.had_trial or trialled
    return bool(account.serialize() != before)


def write(account: Account) -> Update:
    """Refused if another projection was written since `account` was read."""
    item = account.serialize()
    present = [name for name in PROJECTED if name in item]
    absent = [name for name in PROJECTED if name not in item]
    sets = ["#applied_seq = :next", *(f"#{name} = :{name}" for name in present)]
    removes = " REMOVE " + ", ".join(f"#{name}" for name in absent) if absent else ""
    return Update(
        "SET " + ", ".join(sets) + removes,
        {f"#{name}": name for name in ("applied_seq", *PROJECTED)},
        {
            ":seen": {"N": str(account.applied_seq)},
            ":next": {"N": str(account.applied_seq + 1)},
            **{f":{name}": item[name] for name in present},
        },
        "#applied_seq = :seen",
    )
