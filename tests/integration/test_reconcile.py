"""W9: what lost events and damaged items have left behind is put right from Stripe's objects."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from tests.faults.wire import Wire
from tests.integration.billing_stripe import Json, running_stripe
from tests.integration.reconcile_service import Damage, Everybody, Payer, set_in, unset_in
from tollgate.billing.reconcile import reconcile
from tollgate.quota.due import shard
from tollgate.table import keys
from tollgate.tenancy import gate

CUSTOMERS = 60
LOST = 3
_DAY = 86_400


@pytest.fixture
def service(dynamodb: Any, table_name: str) -> Iterator[Everybody]:
    with running_stripe() as stripe:
        yield Everybody(Wire(dynamodb), table_name, stripe)


def unmap(service: Everybody, payer: Payer) -> None:
    service.table.delete(keys.customer(payer[1]))


def map_to_another(service: Everybody, payer: Payer) -> None:
    item = service.table.get(keys.customer(payer[1])) or {}
    service.table.put({**item, "account_id": {"S": service.person().account_id}})


DAMAGES: dict[str, Damage] = {
    "the plan is another one": set_in(keys.account, plan={"S": "team"}),
    "the plan is none": set_in(keys.account, plan={"S": "platinum"}),
    "the subscription is another one": set_in(keys.account, subscription_id={"S": "sub_0"}),
    "the link to the customer is gone": unset_in(keys.account, "customer_id"),
    "the link leads to nobody": set_in(keys.account, customer_id={"S": "cus_nobody"}),
    "the count of projections is another": set_in(
        keys.account, applied_seq={"N": "4711"}, plan={"S": "free"}
    ),
    "the gate has other limits": set_in(keys.gate, month_limit={"N": "1"}),
    "the gate has no limits": set_in(keys.gate, day_limit=gate.NULL, month_limit=gate.NULL),
    "the gate has an end": set_in(keys.gate, until={"N": "1"}),
    "the gate has another anchor": set_in(keys.gate, anchor={"S": "2020-01-31T00:00:00Z"}),
    "the gate has another plan": set_in(keys.gate, plan={"S": "free"}),
    "the customer's item is gone": unmap,
    "the customer's item names another": map_to_another,
}
LIVES: tuple[Json, ...] = (
    {},
    {"price": "team_monthly"},
    {"status": "canceled"},
    {"status": "trialing", "trial_end": int(time.time()) + 7 * _DAY},
    {"cancel_at_period_end": True},
    {"status": "past_due", "trial_end": None},
    {"status": "incomplete"},
)


@pytest.mark.case("W9")
def test_one_run_puts_everybody_right_and_the_second_writes_nothing(service: Everybody) -> None:
    lives = [LIVES[each % len(LIVES)] for each in range(CUSTOMERS)]
    payers = [service.payer(told=each >= LOST, **life) for each, life in enumerate(lives)]
    lost = [each for each in payers[:LOST] if not service.right(each)]
    damaged = [service.payer() for _ in DAMAGES]
    for payer, damage in zip(damaged, DAMAGES.values(), strict=True):
        damage(service, payer)
    bystander = service.person()
    service.stripe.page = 30
    found, writes = service.reconcile()
    wrong = [name for name, payer in zip(DAMAGES, damaged, strict=True) if not service.right(payer)]
    assert wrong == []
    assert all(service.right(each) for each in payers)
    assert (found.repaired, found.left, found.finished) == (LOST + len(DAMAGES), 0, True)
    assert found.seen >= CUSTOMERS + len(DAMAGES)
    assert len(lost) >= LOST - 1
    assert len(writes) == found.repaired
    for person, _ in [*payers[:LOST], *damaged]:
        assert len(service.audits(person)) == 1
    assert service.audits(bystander) == service.audits(payers[LOST][0]) == []
    again, writes = service.reconcile()
    assert (again.repaired, again.lapsed, writes) == (0, 0, [])
    asked = [each for each in service.wire.trace if each.startswith("stripe_")]
    overdue = sum(life.get("status") == "past_due" for life in lives)
    assert len(asked) == 3 + 2 + overdue


def test_a_customer_that_was_deleted_is_unlinked_whether_it_had_bought_or_not(
    service: Everybody,
) -> None:
    payers = [service.payer(), service.customer()]
    for _, customer in payers:
        for each in service.stripe.subscriptions.get(customer, []):
            each["status"] = "canceled"
        service.stripe.customers[customer] = {"id": customer, "deleted": True}
    assert service.reconcile()[0].repaired == len(payers)
    for person, _ in payers:
        account = service.account(person)
        assert account.plan == "free"
        assert account.customer_id is None
    again, writes = service.reconcile()
    assert (again.repaired, writes) == (0, [])


def test_what_was_taken_back_unheard_of_takes_the_allowance_and_holds_the_account(
    service: Everybody,
) -> None:
    refunded, disputed = service.payer(), service.payer()
    service.stripe.refund(service.stripe.charge(refunded[1]), 950)
    dispute = service.stripe.dispute(service.stripe.charge(disputed[1]), "needs_response")
    assert service.reconcile()[0].repaired == 2
    assert service.tenant(disputed[0]).suspended
    partition = keys.account(refunded[0].account_id).pk
    [receipt] = service.table.query(partition, "RECEIPT#").items
    assert receipt["outcome"]["S"] == "refunded"
    assert service.reconcile()[1] == []
    dispute["status"] = "won"
    assert service.reconcile()[0].repaired == 1
    assert not service.tenant(disputed[0]).suspended
    assert service.reconcile()[1] == []


def test_a_plan_without_any_customer_is_found_where_it_is_used(service: Everybody) -> None:
    person = service.person()
    set_in(keys.account, plan={"S": "team"})(service, (person, ""))
    in_use = {"plan": {"S": "team"}, "due": {"S": shard(person.account_id)}}
    set_in(keys.gate, **in_use)(service, (person, ""))
    assert service.reconcile()[0].repaired == 1
    assert (service.account(person).plan, service.tenant(person).limits.plan) == ("free", "free")
    [audit] = service.audits(person)
    assert sorted(audit["differs"]["SS"]) == ["gate.plan", "plan"]
    plans = [json.loads(audit[each]["S"])["plan"] for each in ("was", "became")]
    assert (plans, audit["found_by"]["S"]) == (["team", "free"], "accounts")
    assert service.account(person).email not in audit["was"]["S"]
    assert service.reconcile()[1] == []


@pytest.mark.parametrize("page", [1, 100])
def test_an_unheard_of_duplicate_is_cancelled(service: Everybody, page: int) -> None:  # S23
    payer = service.payer(price="team_monthly")
    duplicate = service.stripe.subscribe(payer[1])
    service.stripe.page = page
    service.reconcile()
    assert duplicate["status"] == "canceled"
    assert service.right(payer)
    assert service.reconcile()[1] == []


def test_a_metered_price_that_is_gone_is_put_back(service: Everybody) -> None:
    """Here on a trial, where nothing of ours says whether it is there."""
    payer = service.payer(price="team_monthly", status="trialing", trial_end=int(time.time()))
    [team] = service.stripe.subscriptions[payer[1]]
    sold = [each["price"]["lookup_key"] for each in team["items"]["data"]]
    del team["items"]["data"][1:]
    service.stripe.forget_keys()
    assert service.reconcile()[1] == []
    assert [each["price"]["lookup_key"] for each in team["items"]["data"]] == sold
    assert sold == ["team_monthly", "team_model_tokens_month"]


def test_a_deadline_that_nobody_asked_about_is_no_drift(service: Everybody) -> None:
    """Its `until` refuses by itself; only an event that was lost is a reason to worry."""
    payer = service.payer(status="past_due", trial_end=None)
    service.clock.ahead = timedelta(days=8)
    found, writes = service.reconcile()
    assert (found.repaired, found.lapsed, len(writes)) == (0, 1, 1)
    assert service.right(payer)
    assert service.reconcile()[1] == []


def test_who_cannot_be_repaired_is_left_with_an_alarm_and_stops_nobody(
    service: Everybody, caplog: pytest.LogCaptureFixture
) -> None:
    damages = [
        set_in(keys.account, applied_seq={"S": "many"}),
        unset_in(keys.gate, "concurrent_limit"),
    ]
    for damage in damages:
        damage(service, service.payer())
    service.stripe.subscribe("cus_of_nobody")
    later = service.payer(told=False)
    for _ in range(2):
        found, writes = service.reconcile()
        assert (found.left, len(found.named)) == (3, 3)
        assert "cus_of_nobody" in found.named
    assert writes == []
    assert caplog.messages.count("reconcile_left") == 6
    assert service.right(later)


@pytest.mark.parametrize("listed", ["subscriptions", "refunds"])
def test_what_stripe_lists_in_an_unknown_shape_is_left_and_hides_nobody(
    service: Everybody, listed: str
) -> None:
    lost = [service.payer(told=False) for _ in range(2)]
    strange = service.stripe.refund(service.stripe.charge(service.payer()[1]), 950)
    if listed == "subscriptions":
        strange = service.stripe.subscribe(service.payer()[1])
        strange["items"]["data"][0]["price"] = None
    else:
        strange["amount"] = None
    lost += [service.payer(told=False) for _ in range(2)]
    service.stripe.page = 2
    found, _ = service.reconcile()
    assert found.finished
    assert strange["id"] in found.named
    assert all(service.right(each) for each in lost)


def test_a_page_of_everybodys_may_take_stripe_longer_than_a_persons_request(
    service: Everybody,
) -> None:
    lost = service.payer(told=False)
    service.stripe.requests.clear()
    first = iter([3.2])
    service.stripe.before_answer = lambda _: time.sleep(next(first, 0))
    assert reconcile(service.billing).repaired == 1
    assert service.right(lost)
    assert [path for _, path, _ in service.stripe.requests].count("/v1/subscriptions") == 2


@pytest.mark.parametrize("earlier", ["deleted", "of another"])
def test_a_customer_of_earlier_hides_no_damage_of_the_account(
    service: Everybody, earlier: str
) -> None:
    """Its subscription leads to an account that has bought nothing since, and got a plan."""
    person, customer = service.payer(status="canceled")
    set_in(keys.account, plan={"S": "team"})(service, (person, customer))
    in_use = {"plan": {"S": "team"}, "due": {"S": shard(person.account_id)}}
    set_in(keys.gate, **in_use)(service, (person, customer))
    if earlier == "deleted":
        service.stripe.customers[customer] = {"id": customer, "deleted": True}
        unset_in(keys.account, "customer_id")(service, (person, customer))
    else:
        account = service.account(person)
        later = service.gateway.create_customer(account.id, account.email, account.name, 1)
        set_in(keys.account, customer_id={"S": later})(service, (person, customer))
    assert service.reconcile()[0].repaired == 1
    assert (service.account(person).plan, service.tenant(person).limits.plan) == ("free", "free")
    assert service.reconcile()[1] == []


def test_who_becomes_a_customer_meanwhile_keeps_what_was_bought(service: Everybody) -> None:
    person = service.person()
    in_use = {"plan": {"S": "team"}, "due": {"S": shard(person.account_id)}}
    set_in(keys.gate, **in_use)(service, (person, ""))
    reads = count()
    bought: list[Payer] = []

    def buy(call: str) -> None:
        """Once it is doubted: the first read is the progress, the second the account's repair."""
        if call == "get_item" and not bought and next(reads) == 1:
            bought.append(service.buying(person))

    service.wire.meet = buy
    found, _ = service.reconcile()
    assert (found.repaired, found.left) == (0, 0)
    assert service.right(bought[0])
