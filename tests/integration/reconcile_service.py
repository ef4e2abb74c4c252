"""People whose subscriptions Stripe knows, and how what stands of them here comes to be wrong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.faults.billing_truth import truth
from tests.faults.transports import StripeWire
from tests.faults.wire import WRITES, Wire
from tests.integration.billing_service import Person, ScriptedService, event
from tollgate.billing.reconcile import Reconciliation, reconcile
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.table import keys
from tollgate.table.client import Table, Update

Payer = tuple[Person, str]
Damage = Callable[["Everybody", Payer], object]


class Everybody(ScriptedService):
    """A service whose every write is counted."""

    def __init__(self, wire: Wire, name: str, stripe: Any) -> None:
        super().__init__(Table(wire, name), stripe)
        self.wire = wire
        gateway = StripeGateway("sk_test_x", stripe.url, StripeWire(wire))
        self.watched = replace(self.billing, stripe=gateway)

    def payer(self, *, told: bool = True, **subscription: Any) -> Payer:
        """Somebody with a subscription; where it is not `told`, its event is never delivered."""
        if told:
            return self.buying(self.person(), **subscription)
        payer = self.customer()
        self.stripe.subscribe(payer[1], **subscription)
        return payer

    def buying(self, person: Person, **subscription: Any) -> Payer:
        account = self.account(person)
        customer = self.gateway.create_customer(account.id, account.email, account.name)
        self.stripe.subscribe(customer, **subscription)
        assert self.deliver(event(customer)).json()["outcome"] == "applied"
        return person, customer

    def reconcile(self) -> tuple[Reconciliation, list[str]]:
        """With the writes that it made."""
        self.wire.restart()
        found = reconcile(self.watched)
        return found, [each for each in self.wire.trace if each in WRITES]

    def audits(self, person: Person) -> list[Any]:
        partition = keys.account(person.account_id).pk
        return list(self.table.query(partition, "AUDIT#").items)

    def right(self, payer: Payer) -> bool:
        """The account and its gate are what a second reading of Stripe's objects says."""
        person, customer = payer
        said = truth(self.stripe.subscriptions.get(customer, []), self.clock())
        mapped = self.table.get(keys.customer(customer)) or {}
        account, limits = self.account(person), self.tenant(person).limits
        until = None if limits.until is None else limits.until // 1000
        seen = (account.plan, limits.plan, until, limits.metered)
        return seen == (said.plan, said.plan, said.until, said.metered) and (
            (account.customer_id, mapped.get("account_id")) == (customer, {"S": person.account_id})
        )


def set_in(key: Callable[[str], keys.Key], **values: Any) -> Damage:
    """An item of the account is not what was written."""

    def damage(service: Everybody, payer: Payer) -> None:
        names = {f"#{name}": name for name in values}
        change = ", ".join(f"#{name} = :{name}" for name in values)
        wrong = {f":{name}": value for name, value in values.items()}
        service.table.update(key(payer[0].account_id), Update(f"SET {change}", names, wrong))

    return damage


def unset_in(key: Callable[[str], keys.Key], name: str) -> Damage:
    def damage(service: Everybody, payer: Payer) -> None:
        change = Update("REMOVE #name", {"#name": name})
        service.table.update(key(payer[0].account_id), change)

    return damage
