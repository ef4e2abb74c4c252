"""Q4, Q5: a thousand kills between admission and settlement, and settlements raced by reclaims."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from threading import Barrier
from typing import Any

from tests.faults.books import Books, broken
from tests.faults.history import Violation
from tests.faults.wire import Fault, Killed, Wire
from tests.integration.quota.house import DEMAND, INPUT, MODEL, NOON, SESSION
from tests.integration.quota.house import catalogue as whole_catalogue
from tollgate.quota.admission import Admission, Admitted, Hint, Visitor
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.settlement import FINISHED, Usage, settle
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds
from tollgate.tenancy.ids import new_id

HOLDS = 5
"""On one gate, after which another is taken."""
_LATER = NOON + timedelta(minutes=20)
_CATALOGUE = whole_catalogue()
_KILLS = (
    ("transact_write_items", Fault.KILLED),
    ("transact_write_items", Fault.KILLED_AFTER),
    ("update_item", Fault.KILLED),
    ("update_item", Fault.KILLED_AFTER),
)


def race(client: Any, table_name: str, races: int) -> Counter[str]:
    """How many each won. Errors: Violation."""
    table = Table(client, table_name)
    first, admissions = _admitted(table)
    item = table.get(keys.gate(first)) or {}
    won: Counter[str] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(races // HOLDS):
            account = new_id("acc")
            table.put({**item, "pk": {"S": keys.gate(account).pk}})
            _race(pool, client, table_name, account, admissions)
            # Whoever decides, what was used is charged: a late settlement puts its reclaim right.
            won += _decided(table, account, charged=sum(INPUT + each for each in range(HOLDS)))
    return won


def kill(client: Any, table_name: str, times: int) -> Counter[str]:
    """How the generations were decided whose processes died before, in or after their settlement.

    Errors: Violation.
    """
    table, kills = Table(client, table_name), cycle(_KILLS)
    outcomes: Counter[str] = Counter()
    for _ in range(times // HOLDS):
        account, admissions = _admitted(table)
        for place, each in enumerate(admissions):
            _die(client, table_name, account, each, place, *next(kills))
        for _ in range(2):
            standing = Books.read(table, account).gate
            reclaim_dead_holds(table, _CATALOGUE, standing, _LATER)
        outcomes += _decided(table, account)
    return outcomes


def _die(
    client: Any, name: str, account: str, admitted: Admitted, place: int, call: str, fault: Fault
) -> None:
    table = Table(Wire(client, plan=lambda sent: fault if sent == call else None), name)
    try:
        _settle(table, account, admitted, place)
    except Killed:
        return
    raise Violation("a process outlived its end")


def _race(
    pool: ThreadPoolExecutor, client: Any, name: str, account: str, admissions: list[Admitted]
) -> None:
    start = Barrier(2, timeout=30)

    def settle_each() -> None:
        for place, each in enumerate(admissions):
            _settle(_starting(client, name, start), account, each, place)

    def reclaim_each() -> None:
        for place, each in enumerate(admissions):
            generation = _generation(place)
            tenant = replace(each.gate.tenant, account_id=account)
            alone = replace(each.gate, tenant=tenant, open={generation: each.hold})
            reclaim_dead_holds(_starting(client, name, start), _CATALOGUE, alone, _LATER)

    for work in [pool.submit(settle_each), pool.submit(reclaim_each)]:
        work.result()


def _starting(client: Any, name: str, start: Barrier) -> Table:
    """Its deciding write waits for the other's."""
    first = iter([True])

    def meet(call: str) -> None:
        if call == "transact_write_items" and next(first, False):
            start.wait()

    return Table(Wire(client, meet=meet), name)


def _settle(table: Table, account: str, admitted: Admitted, output: int) -> None:
    usage = Usage(FINISHED, MODEL.id, INPUT, output, estimated=False)
    settle(table, _CATALOGUE, account, _generation(output), admitted.hold, usage, _LATER)


def _decided(table: Table, account: str, charged: int | None = None) -> Counter[str]:
    """Each once, and nothing is left. Errors: Violation."""
    books = Books.read(table, account)
    problems = list(broken(books, _LATER, timedelta()))
    if books.gate.open or len(books.receipts) != HOLDS:
        problems.append(f"P3: {len(books.receipts)} receipts, {sorted(books.gate.open)} are open")
    spent = sum(books.used().values())
    if charged is not None and spent != charged:
        problems.append(f"P4: {spent} tokens were charged, {charged} used")
    if problems:
        raise Violation(f"{account}: {'; '.join(problems)}")
    return Counter(each["outcome"]["S"] for each in books.receipts.values())


def _admitted(table: Table) -> tuple[str, list[Admitted]]:
    account = new_id("acc")
    limits = Limits.of(_CATALOGUE.plans["free"], CALENDAR)
    table.put(gate.born(account, limits, {SESSION: milliseconds(NOON + timedelta(days=1))}))
    admission = Admission(table, _CATALOGUE, lambda: NOON, lambda _: None)
    hint = Hint("free", CALENDAR, 1)
    visitors = [Visitor(account, "usr_1", SESSION, _generation(place)) for place in range(HOLDS)]
    return account, [admission.admit(each, hint, lambda _: DEMAND) for each in visitors]


def _generation(place: int) -> str:
    return f"gen_{place}"
