"""What a reconciliation doubts of an account, and the record of what it has put right."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute

from tollgate.billing.projection import PROJECTED
from tollgate.table import keys
from tollgate.table.client import Action, put
from tollgate.table.record import Record

if TYPE_CHECKING:
    from tollgate.tenancy.gate import Limits
    from tollgate.tenancy.records import Account


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`customer_id` is whom Stripe names, None for nobody; `mapped`: its item names the account.

    It was weighed against `believed`, the customer that the account itself names: it says nothing
    of an account that names another one by now.
    """

    customer_id: str | None
    believed: str | None
    mapped: bool
    found_by: str


class Audit(Record):
    """`was` and `became` are JSON, the account's projection and its limits; `differs` names what
    changed in them: nothing where the repair was beside them, such as a receipt of a refund.
    """

    at = UnicodeAttribute()
    found_by = UnicodeAttribute()
    was = UnicodeAttribute()
    became = UnicodeAttribute()
    differs = UnicodeSetAttribute(null=True)


State = dict[str, Any]


def state(account: "Account", limits: "Limits") -> State:
    """Nothing of the person: what the account may do, and why."""
    item = account.serialize()
    projected = {name: next(iter(item[name].values())) for name in PROJECTED if name in item}
    return {**projected, **{f"gate.{name}": value for name, value in asdict(limits).items()}}


def audit(account_id: str, was: State, became: State, found_by: str, now: datetime) -> Action:
    at = now.isoformat(timespec="microseconds")
    differs = {name for name in was.keys() | became.keys() if was.get(name) != became.get(name)}
    record = Audit.new(
        keys.audit(account_id, at),
        at=at,
        found_by=found_by,
        was=json.dumps(was),
        became=json.dumps(became),
        differs=differs or None,
    )
    return put(record.serialize(), if_absent=True)
