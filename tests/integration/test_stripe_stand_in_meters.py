"""The laptop's Stripe where usage is counted."""

from collections.abc import Iterator

import pytest
import stripe

from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import Laptop

DAY = 86_400


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the catalogue's prices and its meter; only the clock goes on."""
    process.tick(0)
    process.http.post("/control/reset")
    return process


def now(laptop: Laptop) -> int:
    return int(laptop.clock().timestamp())


def report(
    laptop: Laptop,
    customer: str,
    value: str = "5",
    *,
    identifier: str = "u1",
    name: str = "model_tokens",
    ago: int = 0,
) -> stripe.billing.MeterEvent:
    return laptop.client.v1.billing.meter_events.create(
        {
            "event_name": name,
            "identifier": identifier,
            "payload": {"stripe_customer_id": customer, "value": value},
            "timestamp": now(laptop) - ago,
        }
    )


def counted(laptop: Laptop, customer: str, hours: int = 1_000) -> list[float]:
    [meter] = laptop.client.v1.billing.meters.list().data
    end = now(laptop) // 60 * 60 + 60
    found = laptop.client.v1.billing.meters.event_summaries.list(
        meter.id,
        {"customer": customer, "start_time": end - hours * 3_600, "end_time": end},
    )
    return [each.aggregated_value for each in found.data]


def test_usage_is_summed_by_customer_and_time(laptop: Laptop) -> None:
    report(laptop, "cus_a", "5", identifier="u1", ago=2 * 3_600)
    report(laptop, "cus_a", "7", identifier="u2")
    report(laptop, "cus_b", "9", identifier="u3")
    assert counted(laptop, "cus_a") == [12]
    assert counted(laptop, "cus_a", hours=1) == [7]
    assert counted(laptop, "cus_nobody") == []


def test_an_identifier_counts_once_a_day_and_its_repeat_is_told(laptop: Laptop) -> None:
    assert report(laptop, "cus_a").identifier == "u1"
    laptop.tick(DAY - 60)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        report(laptop, "cus_a")
    told = "An event already exists with identifier u1."
    assert (refusal.value.user_message, refusal.value.code) == (told, None)
    assert counted(laptop, "cus_a") == [5]
    laptop.tick(120)
    report(laptop, "cus_a")
    assert counted(laptop, "cus_a") == [10]


@pytest.mark.parametrize("ago", [36 * DAY, -600], ids=["too late", "too early"])
def test_usage_of_another_time_is_refused(laptop: Laptop, ago: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        report(laptop, "cus_a", ago=ago)
    assert refusal.value.param == "timestamp"
    assert counted(laptop, "cus_a") == []


@pytest.mark.parametrize(("name", "value"), [("model_tokens", "many"), ("other", "5")])
def test_usage_that_no_meter_understands_is_refused(laptop: Laptop, name: str, value: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        report(laptop, "cus_a", value, name=name)
    assert counted(laptop, "cus_a") == []
