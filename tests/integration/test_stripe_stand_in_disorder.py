"""The laptop's Stripe where webhooks come in any order, twice, late or not at all."""

from collections.abc import Iterator

import pytest

from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import Laptop

EVENTS = 12


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the catalogue's prices, and orderly."""
    process.tick(0)
    process.http.post("/control/reset")
    process.endpoint.events.clear()
    return process


def arrived(laptop: Laptop, mode: str) -> list[int]:
    """The numbers of events that were announced in their order, as they came."""
    asked = laptop.http.post("/control/webhooks", json={"mode": mode, "seed": 1})
    assert asked.json() == {"mode": mode, "seed": 1}
    for number in range(EVENTS):
        laptop.client.v1.customers.create({"name": str(number)})
    laptop.tick(0)
    return [int(event.data.object.name) for event in laptop.endpoint.events]


def test_they_come_in_order_and_once_unless_asked_otherwise(laptop: Laptop) -> None:
    assert arrived(laptop, "orderly") == list(range(EVENTS))


@pytest.mark.parametrize("mode", ["shuffle", "delay"])
def test_they_come_once_in_another_order(laptop: Laptop, mode: str) -> None:
    came = arrived(laptop, mode)
    assert came != sorted(came)
    assert sorted(came) == list(range(EVENTS))


def test_each_comes_again(laptop: Laptop) -> None:
    came = arrived(laptop, "repeat")
    assert set(came) == set(range(EVENTS))
    assert all(2 <= came.count(number) <= 4 for number in came)


def test_some_never_come_and_can_still_be_had(laptop: Laptop) -> None:
    came = arrived(laptop, "drop")
    assert len(came) == len(set(came)) < EVENTS
    listed = laptop.http.get("/control/events").json()["data"]
    [lost, *_] = [each for each in listed if not each["deliveries"]]
    laptop.tick(86_400)
    assert len(laptop.endpoint.events) == len(came)
    assert laptop.http.post(f"/control/events/{lost['id']}/redeliver").status_code == 200
    assert laptop.endpoint.events[-1].id == lost["id"]


def test_another_disorder_is_refused(laptop: Laptop) -> None:
    assert laptop.http.post("/control/webhooks", json={"mode": "chaos"}).status_code == 400
