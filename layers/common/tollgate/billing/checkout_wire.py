"""A checkout in Stripe's parameters, and Stripe's session in our words."""

from typing import TYPE_CHECKING

from tollgate.billing.checkout import Checkout, CheckoutSession

if TYPE_CHECKING:
    import stripe
    from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItem

    from tollgate.catalogue import CheckoutOptions

_FINGERPRINT = "checkout"


def session_params(checkout: Checkout) -> "SessionCreateParams":
    account = {"account_id": checkout.account_id}
    params: SessionCreateParams = {
        "mode": "subscription",
        "customer": checkout.customer_id,
        "client_reference_id": checkout.account_id,
        "line_items": _line_items(checkout),
        "metadata": {**account, _FINGERPRINT: checkout.fingerprint},
        "subscription_data": {"metadata": account},
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
    }
    if checkout.trial_days:
        params["subscription_data"] = {
            "metadata": account,
            "trial_period_days": checkout.trial_days,
        }
    _add_options(params, checkout.options)
    return params


def _line_items(checkout: Checkout) -> "list[SessionCreateParamsLineItem]":
    plan: SessionCreateParamsLineItem = {"price": checkout.price_id, "quantity": 1}
    return [plan] if checkout.metered_id is None else [plan, {"price": checkout.metered_id}]


def _add_options(params: "SessionCreateParams", options: "CheckoutOptions") -> None:
    """Stripe refuses to ask a known customer for a tax id or an address that it may not keep."""
    if options.promotion_codes:
        params["allow_promotion_codes"] = True
    if options.tax_ids:
        params["tax_id_collection"] = {"enabled": True}
        params["customer_update"] = {"address": "auto", "name": "auto"}
    if options.automatic_tax:
        params["automatic_tax"] = {"enabled": True}
        params.setdefault("customer_update", {"address": "auto"})


def checkout_session(session: "stripe.checkout.Session") -> CheckoutSession:
    metadata = session.metadata.to_dict() if session.metadata else {}
    return CheckoutSession(
        id=session.id,
        status=session.status or "open",
        account_id=session.client_reference_id,
        url=session.url,
        fingerprint=metadata.get(_FINGERPRINT),
    )
