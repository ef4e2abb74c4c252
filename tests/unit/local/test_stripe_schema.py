"""Form fields against Stripe's generated request types."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from stripe import params
from stripe._encode import _api_encode
from stripe.params import checkout

from local.stripe.schema import read
from local.stripe.wire import StripeError, decode


def sent(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """`given` as the SDK encodes it and the stand-in reads it."""
    return read(kind, decode(parse_qsl(urlencode(list(_api_encode(given))), True)))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (
            checkout.SessionCreateParams,
            {
                "mode": "subscription",
                "line_items": [{"price": "price_1", "quantity": 2}],
                "metadata": {"0": "digits are names here", "empty": ""},
                "subscription_data": {"trial_period_days": 7},
                "allow_promotion_codes": True,
            },
        ),
        (params.CustomerUpdateParams, {"metadata": "", "address": ""}),
        (params.SubscriptionUpdateParams, {"trial_end": "now", "cancel_at": 1_800_000_000}),
        (params.SubscriptionListParams, {"created": {"gte": 5}, "status": "all"}),
        (params.SubscriptionListParams, {"created": 5, "expand": ["data.customer"]}),
    ],
)
def test_what_the_sdk_sends_arrives_with_its_types(kind: type, given: dict[str, Any]) -> None:
    assert sent(kind, given) == given


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        (checkout.SessionCreateParams, "mode=barter", "mode"),
        (checkout.SessionCreateParams, "line_items=x", "line_items"),
        (checkout.SessionCreateParams, "line_items[a][price]=x", "line_items"),
        (checkout.SessionCreateParams, "line_items[0][cost]=x", "line_items[0][cost]"),
        (checkout.SessionCreateParams, "allow_promotion_codes=yes", "allow_promotion_codes"),
        (checkout.SessionCreateParams, "metadata[a][b]=x", "metadata[a]"),
        (params.CustomerCreateParams, "name[first]=x", "name"),
        (params.CustomerCreateParams, "api_key=x", "api_key"),
        (params.SubscriptionListParams, "status=lively", "status"),
        (params.SubscriptionUpdateParams, "trial_end=later", "trial_end"),
    ],
)
def test_another_type_than_stripe_s_is_refused(kind: type, fields: str, param: str) -> None:
    with pytest.raises(StripeError) as refusal:
        read(kind, decode(parse_qsl(fields, True)))
    assert refusal.value.body["error"]["param"] == param


@pytest.mark.parametrize("fields", ["a=1&a[b]=2", "a[=1", "[a]=1"])
def test_fields_that_make_no_tree_are_refused(fields: str) -> None:
    with pytest.raises(StripeError):
        decode(parse_qsl(fields, True))


def test_an_array_may_leave_its_places_out() -> None:
    assert decode([("keys[]", "a"), ("keys[]", "b")]) == {"keys": {"0": "a", "1": "b"}}
