"""What a team uses beyond its month, from the stream of the table to the invoice of the renewal."""

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

MONTH, CENTS_A_TOKEN = 100, 3
_DAY = 86_400


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Team's month is over within a generation or two."""
    text = Path(ROOT, "plans.toml").read_text(encoding="utf-8")
    changes = {
        "month = 10_000_000": f"month = {MONTH}",
        "overage = { amount = 1_000,": f"overage = {{ amount = {CENTS_A_TOKEN * 1_000_000},",
    }
    for usual, changed in changes.items():
        assert usual in text
        text = text.replace(usual, changed)
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text(text, encoding="utf-8")
    with running_stack({"TOLLGATE_PLANS": str(plans), "LOCAL_MODELS_DELAY_MS": "5"}) as started:
        yield started


@pytest.fixture
def client(stack: Stack) -> stripe.StripeClient:
    base = stack.environ["STRIPE_API_BASE"]
    return stripe.StripeClient("sk_test_local", base_addresses={"api": base})


def metered(client: stripe.StripeClient) -> float:
    """Of everybody whom the stand-in knows: there is one."""
    [meter] = client.v1.billing.meters.list().data
    [customer] = client.v1.customers.list().data
    begin = customer.created // 60 * 60
    found = client.v1.billing.meters.event_summaries.list(
        meter.id,
        {"customer": customer.id, "start_time": begin, "end_time": begin + 10 * _DAY},
    )
    return sum(each.aggregated_value for each in found.data)


def billed(client: stripe.StripeClient) -> list[tuple[int, int]]:
    """Tokens and cents of what invoices charge by usage."""
    invoices = (each.to_dict() for each in client.v1.invoices.list({"status": "paid"}).data)
    lines = (line for each in invoices for line in each["lines"]["data"])
    return [
        (line["quantity"], line["amount"])
        for line in lines
        if line["description"] == "team_model_tokens_month"
    ]


def spent(stack: Stack) -> int:
    receipts = (each for each in items(stack) if each["sk"]["S"].startswith("RECEIPT#"))
    return sum(
        int(each[name]["N"]) for each in receipts for name in ("input_tokens", "output_tokens")
    )


def pass_days(person: Person, days: int) -> None:
    moved = person.http.post("/local/clock", json={"advance_seconds": days * _DAY + 3_600})
    assert moved.status_code == 200


def test_what_goes_beyond_the_month_is_admitted_and_on_the_next_invoice(
    stack: Stack, client: stripe.StripeClient
) -> None:
    with Person(stack.url) as person:
        person.sign_in()
        bought = person.http.post("/billing/checkout", json={"price_key": "team_monthly"}).json()
        person.http.post(bought["url"], data={"card": "4242424242424242"})
        eventually(person.me, lambda me: me["plan"]["id"] == "team")
        pass_days(person, 7)  # nothing goes beyond the month of a trial
        eventually(person.me, lambda me: me["subscription"]["status"] == "active")
        for _ in range(3):
            assert person.generate("summary", "in 60 words").done
        beyond = spent(stack) - MONTH
        assert beyond > 0
        assert eventually(lambda: metered(client), lambda seen: seen == beyond) == beyond
        pass_days(person, 31)
        wanted = [(beyond, beyond * CENTS_A_TOKEN)]
        assert eventually(lambda: billed(client), lambda seen: seen == wanted) == wanted
