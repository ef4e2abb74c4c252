"""What becomes of an account whose entitlement has ended while Stripe cannot be asked."""

from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.billing import projection
from tollgate.billing.outbox import notices
from tollgate.billing.tellings import access_ended
from tollgate.quota.limits import changed, write_limits
from tollgate.table import keys
from tollgate.table.client import Cancelled, Table, update
from tollgate.tenancy import gate

if TYPE_CHECKING:
    from tollgate.catalogue import Catalogue


def lapse(table: Table, catalogue: "Catalogue", account_id: str, now: datetime) -> None:
    """The lowest plan, if the gate's `until` has passed, of which its owner is told; the next
    reading of Stripe corrects it. Errors: `Unavailable`.

    The rest of the projection stays, and so stays true: with its deadline passed, `entitlement`
    says of the subscription that was last read exactly this, Stripe's status included.
    """
    account = projection.read(table, account_id, now)
    tenant = gate.read(table, account_id)
    if account is None or tenant is None:
        return
    until = tenant.limits.until
    if until is None or until > gate.milliseconds(now):
        return
    told = [] if account.plan == catalogue.lowest.id else [access_ended(account, catalogue)]
    actions = list(notices(table, account, told, now))
    account.plan = catalogue.lowest.id
    limits = changed(tenant, catalogue.lowest, None, None, now)
    try:
        table.transact(
            update(keys.account(account_id), projection.write(account)),
            update(keys.gate(account_id), write_limits(tenant, limits)),
            *actions,
        )
    except Cancelled:
        return  # another writer was faster and knows more
