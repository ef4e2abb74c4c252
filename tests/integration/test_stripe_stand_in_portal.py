"""The laptop's portal says first what is owed, and with what it would be paid."""

from collections.abc import Iterator

import pytest

from local.stripe.cards import CHALLENGED
from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import FAILS_LATER, PAYS, Laptop

MONTH = 32 * 86_400


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


def test_who_owes_a_renewal_reads_no_date_of_the_next_until_it_is_paid(laptop: Laptop) -> None:
    portal = laptop.portal(laptop.subscribe(FAILS_LATER))
    assert "It renews on" in laptop.http.get(portal).text
    laptop.tick(MONTH)
    page = laptop.http.get(portal).text
    assert "It renews on" not in page
    assert page.index("Payment is owed: $19.00") < page.index("Change it")
    assert "Pay it with Visa •••• 0341" in page

    changed = laptop.http.post(portal, data={"action": "card", "card": PAYS})
    page = laptop.http.get(changed.headers["location"]).text
    assert "The card is changed." in page
    assert "Pay it with Visa •••• 4242" in page

    [owed] = laptop.client.v1.invoices.list({"status": "open"}).data
    paid = laptop.http.post(portal, data={"action": "pay", "invoice": str(owed.id)})
    page = laptop.http.get(paid.headers["location"]).text
    assert "It is paid." in page
    assert "It renews on" in page
    assert "Payment is owed" not in page


def test_a_first_payment_that_is_not_confirmed_is_owed_and_can_be_paid(laptop: Laptop) -> None:
    customer = laptop.customer()
    checkout = str(laptop.checkout(customer).url)
    laptop.http.post(checkout, data={"card": CHALLENGED})
    laptop.http.post(checkout, data={"authentication": "fail"})
    portal = laptop.client.v1.billing_portal.sessions.create({"customer": customer}).url
    page = laptop.http.get(portal).text
    assert "Payment is owed: $19.00" in page
    assert "It renews on" not in page
    assert "Pay it" not in page  # no card is on file

    laptop.http.post(portal, data={"action": "card", "card": PAYS})
    [owed] = laptop.client.v1.invoices.list({"customer": customer}).data
    laptop.http.post(portal, data={"action": "pay", "invoice": str(owed.id)})
    assert "$19.00 a month\n    · active" in laptop.http.get(portal).text
