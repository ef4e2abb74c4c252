"""Tollgate's own admission and settlement.

Paced, it goes over the client that the functions use; every request comes seven seconds after the
last, under the usual ten a minute: the whole write with its exact window. In the race the minute
has no limit, so that it is the day's alone that refuses; each admission is settled at once, as
short answers are; and the client is patient: one engine serves 64 workers, and short deadlines
would only add repeats to its queue.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from bench.admission_peers import SPENT, TOKENS, Settle
from local import template
from tests.integration.quota.house import INPUT, MODEL, NOON, OUTPUT, SESSION, catalogue, finished
from tollgate.quota.admission import Admission, Admitted, Demand, Hint, Visitor
from tollgate.quota.refusal import Refused
from tollgate.quota.settlement import settle
from tollgate.table.client import Table, connect
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds
from tollgate.tenancy.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime

_OUT_OF_THE_WAY = 10**12
_BORN_AS_VERSION = 1
_ACCOUNT, _USER = "acc_01K0ADM1SS10NBENCH0000000", "usr_01K0ADM1SS10NBENCH0000000"
_PACE = timedelta(seconds=7)
assert TOKENS == INPUT + OUTPUT


class Ours:
    def __init__(self, name: str, limit: int | None) -> None:
        self._name = name
        self._paced = limit is None
        self._table = connect(name) if self._paced else Table(_patient_client(), name)
        self._catalogue = catalogue(
            per_minute=10 if self._paced else None,
            day=limit or _OUT_OF_THE_WAY,
            month=_OUT_OF_THE_WAY,
        )
        self._plan = self._catalogue.lowest
        self._now = NOON
        self._admission = Admission(self._table, self._catalogue, self._clock, lambda _: None)
        self._hint = Hint(self._plan.id, CALENDAR, _BORN_AS_VERSION)
        self._demand = Demand(INPUT, OUTPUT, MODEL.id)

    def prepare(self) -> None:
        client = botocore.session.get_session().create_client("dynamodb")
        client.create_table(**template.load().table(self._name))
        sessions = {SESSION: milliseconds(NOON + timedelta(days=30))}
        self._table.put(gate.born(_ACCOUNT, Limits.of(self._plan, CALENDAR), sessions))

    def admit(self) -> Settle | None:
        if self._paced:
            self._now += _PACE
        visitor = Visitor(_ACCOUNT, _USER, SESSION, new_id("gen"))
        try:
            admitted = self._admission.admit(visitor, self._hint, lambda _: self._demand)
        except Refused:
            return None
        return lambda: self._settle(visitor, admitted)

    def _settle(self, visitor: Visitor, admitted: Admitted) -> None:
        used = finished(INPUT, SPENT - INPUT)
        generation, hold = visitor.generation_id, admitted.hold
        settle(self._table, self._catalogue, _ACCOUNT, generation, hold, used, self._now)

    def _clock(self) -> "datetime":
        return self._now


def _patient_client() -> Any:
    config = Config(read_timeout=60, max_pool_connections=64)
    return botocore.session.get_session().create_client("dynamodb", config=config)


def open_peer(name: str, limit: int | None) -> Ours:
    return Ours(name, limit)
