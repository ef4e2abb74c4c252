"""What a team uses beyond its month, from the stream of the table to Stripe's meter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from local.environment import ROOT
from local.stack import Stack
from tests.journeys.chat import items
from tests.journeys.checks import eventually
from tests.journeys.person import Person
from tests.stack import running_stack

MONTH = 100


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Team's month is over within a generation or two."""
    text = Path(ROOT, "plans.toml").read_text(encoding="utf-8")
    usual = "month = 10_000_000"
    assert usual in text
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text(text.replace(usual, f"month = {MONTH}"), encoding="utf-8")
    with running_stack({"TOLLGATE_PLANS": str(plans), "LOCAL_MODELS_DELAY_MS": "5"}) as started:
        yield started


def metered(stack: Stack) -> float:
    """Of everybody whom the stand-in knows: there is one."""
    base = stack.environ["STRIPE_API_BASE"]
    client = stripe.StripeClient("sk_test_local", base_addresses={"api": base})
    [meter] = client.v1.billing.meters.list().data
    [customer] = client.v1.customers.list().data
    end = customer.created // 60 * 60 + 3_600
    found = client.v1.billing.meters.event_summaries.list(
        meter.id,
        {"customer": customer.id, "start_time": end - 2 * 3_600, "end_time": end},
    )
    return sum(each.aggregated_value for each in found.data)


def spent(stack: Stack) -> int:
    receipts = (each for each in items(stack) if each["sk"]["S"].startswith("RECEIPT#"))
    return sum(
        int(each[name]["N"]) for each in receipts for name in ("input_tokens", "output_tokens")
    )


def test_what_goes_beyond_the_month_is_admitted_and_reaches_the_meter(stack: Stack) -> None:
    with Person(stack.url) as person:
        person.sign_in()
        bought = person.http.post("/billing/checkout", json={"price_key": "team_monthly"}).json()
        person.http.post(bought["url"], data={"card": "4242424242424242"})
        eventually(person.me, lambda me: me["plan"]["id"] == "team")
        for _ in range(3):
            assert person.generate("summary", "in 60 words").done
        beyond = spent(stack) - MONTH
        assert beyond > 0
        assert eventually(lambda: metered(stack), lambda seen: seen == beyond) == beyond
