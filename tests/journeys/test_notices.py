"""A payer's e-mails, from Stripe's events over the table's stream to the laptop's mailbox."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.stack import Stack
from tests.journeys.checks import eventually
from tests.journeys.person import Person
from tests.stack import running_stack

_DAY = 86_400
_PAYS, _FAILS_LATER = "4242424242424242", "4000000000000341"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Its own: the clock is moved."""
    with running_stack() as started:
        yield started


def mailbox(person: Person) -> list[dict[str, Any]]:
    """This person's e-mails, from the newest on."""
    messages = person.http.get("/local/mailbox/messages").json()["messages"]
    return [each for each in messages if each["to"] == person.email]


def pass_days(person: Person, days: int) -> None:
    """And the hour after which a renewal is collected."""
    moved = person.http.post("/local/clock", json={"advance_seconds": days * _DAY + 3_600})
    assert moved.status_code == 200


def test_a_payer_is_told_of_the_trials_end_and_of_a_payment_that_fails_and_arrives(  # S14
    stack: Stack,
) -> None:
    with Person(stack.url) as person:
        person.sign_in()
        bought = person.http.post("/billing/checkout", json={"price_key": "pro_monthly"}).json()
        person.http.post(bought["url"], data={"card": _PAYS})
        portal = person.http.post("/billing/portal").json()["url"]
        pass_days(person, 5)
        person.http.post(portal, data={"action": "card", "card": _PAYS})  # any event wakes us
        [trial] = eventually(lambda: mailbox(person), bool)
        assert trial["subject"].startswith("Your trial of Pro ends on ")
        assert "for $19.00 a month" in trial["text"]
        pass_days(person, 3)
        person.http.post(portal, data={"action": "card", "card": _FAILS_LATER})
        pass_days(person, 31)
        failed, *_ = eventually(lambda: mailbox(person), lambda seen: len(seen) == 2)
        assert failed["subject"] == "Your payment for Pro did not go through"
        person.http.post(portal, data={"action": "card", "card": _PAYS})
        pass_days(person, 3)
        arrived, *_ = eventually(lambda: mailbox(person), lambda seen: len(seen) == 3)
        assert arrived["subject"] == "Your payment for Pro has arrived"
        assert "Your trial of Pro ends on" in person.http.get("/local/mailbox").text
