"""The browser is back from Stripe, perhaps before the webhook: what it sees is true already."""

import re
from dataclasses import dataclass

from tollgate.billing import projection
from tollgate.billing.apply_subscription import Billing, sync_account

_SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")


@dataclass(frozen=True, slots=True)
class Finished:
    """`status` is Stripe's: open, complete or expired; `plan` is what the account has now."""

    status: str
    plan: str


def finish_checkout(billing: Billing, account_id: str, session_id: str) -> Finished | None:
    """None for a checkout that does not exist or is another account's.

    Errors: `BillingUnavailable`, `Unavailable`.
    """
    if not _SESSION_ID.fullmatch(session_id):
        return None
    session = billing.stripe.checkout(session_id)
    if session is None or session.account_id != account_id:
        return None
    if session.status == "complete":
        sync_account(billing, account_id)
    account = projection.read(billing.table, account_id, billing.clock())
    return None if account is None else Finished(session.status, account.plan)
