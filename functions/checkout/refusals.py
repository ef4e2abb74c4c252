"""Why nothing was sold, in the contract's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.open_portal import NoBillingAccount
from tollgate.billing.start_checkout import AlreadySubscribed, UnknownPrice
from tollgate.table.idempotency import Mismatch
from tollgate.web.problems import Problem


@contextmanager
def as_problems() -> Iterator[None]:
    try:
        yield
    except UnknownPrice:
        raise Problem(422, "unknown_price", "No plan is sold at this price.") from None
    except AlreadySubscribed:
        detail = "Change the subscription in the portal."
        raise Problem(409, "already_subscribed", detail, portal="/billing/portal") from None
    except NoBillingAccount:
        raise Problem(409, "no_billing_account", "Nothing has been bought yet.") from None
    except Mismatch:
        detail = "This Idempotency-Key belongs to another request."
        raise Problem(409, "idempotency_mismatch", detail) from None
    except BillingUnavailable:
        detail = "Billing is out of reach. Try again in a moment."
        retry = {"retry-after": "5"}
        raise Problem(503, "billing_unavailable", detail, headers=retry) from None
