"""What a Stripe account should hold for a catalogue, as the parameters that would make it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tollgate.billing.receive_event import RELEVANT
from tollgate.catalogue import Overage, Plan, Price

if TYPE_CHECKING:
    from stripe.params import PriceCreateParams, ProductUpdateParams, WebhookEndpointUpdateParams
    from stripe.params.billing import MeterCreateParams
    from stripe.params.billing_portal import ConfigurationUpdateParams

OURS = {"made_by": "tollgate"}
_MILLION = 1_000_000


def product(plan: Plan) -> "ProductUpdateParams":
    return {
        "active": True,
        "name": plan.name,
        "marketing_features": [{"name": feature} for feature in plan.features],
        "metadata": {"plan": plan.id},
    }


def price(entry: Price) -> "PriceCreateParams":
    return {
        "currency": entry.currency,
        "unit_amount": entry.amount,
        "recurring": {"interval": entry.interval, "usage_type": "licensed"},
    }


def overages(plan: Plan, overage: Overage, meter_id: str) -> "dict[str, PriceCreateParams]":
    """By lookup key."""
    return {
        plan.metered_keys[each.key]: {
            "currency": overage.currency,
            "unit_amount_decimal": Decimal(overage.amount) / _MILLION,
            "recurring": {"interval": each.interval, "usage_type": "metered", "meter": meter_id},
        }
        for each in plan.prices
    }


def meter(name: str) -> "MeterCreateParams":
    return {
        "display_name": name,
        "event_name": name,
        "default_aggregation": {"formula": "sum"},
        "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
        "value_settings": {"event_payload_key": "value"},
    }


def webhook(url: str) -> "WebhookEndpointUpdateParams":
    """Subscribed to exactly what the function understands.

    In no fixed version of the API: of an event only ids are read, which all versions spell alike.
    """
    events: list[Any] = sorted(RELEVANT)
    return {"url": url, "enabled_events": events}


def portal(offered: Mapping[str, list[str]]) -> "ConfigurationUpdateParams":
    """`offered` are the prices of each product, between which visitors may change.

    More money is charged at once; less begins with the next period, which is paid already.
    """
    return {
        "metadata": OURS,
        "features": {
            "customer_update": {"enabled": True, "allowed_updates": ["address", "name", "tax_id"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price"],
                "proration_behavior": "always_invoice",
                "products": [
                    {"product": product, "prices": prices} for product, prices in offered.items()
                ],
                "schedule_at_period_end": {
                    "conditions": [
                        {"type": "decreasing_item_amount"},
                        {"type": "shortening_interval"},
                    ]
                },
            },
        },
    }


def holds(found: Any, wanted: object) -> bool:
    """Whatever Stripe adds to what is wanted is its own business; the order of a list too."""
    if isinstance(wanted, Mapping):
        return isinstance(found, dict) and all(
            name in found and holds(found[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(any(holds(each, value) for each in found) for value in wanted)
        )
    return bool(found == wanted)
