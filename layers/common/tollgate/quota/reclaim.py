"""Reclaim: settles holds whose process died, by what its last checkpoint says was delivered."""

from dataclasses import replace
from datetime import datetime

from tollgate.catalogue import Catalogue
from tollgate.quota.gate import CLOCK_SKEW, LONGEST_RUN, Gate, Hold
from tollgate.quota.settlement import RECLAIMED, Usage, settle
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Table, Update
from tollgate.tenancy.gate import milliseconds, number

_BYTES_PER_TOKEN = 4


def reclaim_dead_holds(table: Table, catalogue: Catalogue, gate: Gate, now: datetime) -> int:
    """How many holds older than the longest possible run, on any clock, were settled."""
    oldest_live = milliseconds(now - LONGEST_RUN - CLOCK_SKEW)
    dead = {each: hold for each, hold in gate.open.items() if hold.at < oldest_live}
    return sum(
        _reclaim(table, catalogue, gate.tenant.account_id, generation_id, hold, now)
        for generation_id, hold in dead.items()
    )


def _reclaim(
    table: Table,
    catalogue: Catalogue,
    account_id: str,
    generation_id: str,
    hold: Hold,
    now: datetime,
) -> bool:
    """Pins the hold first, so that no checkpoint moves under the receipt; False where it changed
    meanwhile.
    """
    pin = Update(
        "SET #open.#generation.#x = :one",
        {"#open": "open", "#generation": generation_id, "#x": "x"},
        {":one": number(1), ":seen": hold.value()},
        "#open.#generation = :seen",
    )
    try:
        table.update(keys.gate(account_id), pin)
    except ConditionFailed:
        return False
    # The hold's input is an upper bound (a token is at least a byte): the charge is the usual ratio
    # of it.
    input_tokens = -(-hold.input_tokens // _BYTES_PER_TOKEN)
    usage = Usage(RECLAIMED, hold.model, input_tokens, hold.delivered, estimated=True)
    maybe = replace(hold, repeated=True)  # nobody who knows is left
    settle(table, catalogue, account_id, generation_id, maybe, usage, now)
    return True
