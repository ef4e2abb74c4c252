"""One part of the reset's benchmark in a process of its own: its peak memory is its own too.

Prints one JSON line. Requests and units are counted by botocore's own events, alike for all.
"""

import json
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
from botocore.config import Config

from bench.reset_gates import NOW, digest, fill
from local import template
from tollgate import catalogue
from tollgate.quota.close_due_periods import close_due_periods
from tollgate.quota.close_gate import close_gate
from tollgate.quota.gate import USED
from tollgate.table.client import Table

_WORKERS = 16
_PLANS = catalogue.load()
_KIBIBYTES = 1024
Told = dict[str, Any]


class Meter:
    def __init__(self, client: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        client.meta.events.register("provide-client-params.dynamodb", self._ask)
        client.meta.events.register("after-call.dynamodb", self._count)

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def _count(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        parts = consumed if isinstance(consumed, list) else [consumed]
        units = sum(part["CapacityUnits"] for part in parts)
        kind = (
            "read_units" if model.name in {"GetItem", "BatchGetItem", "Query", "Scan"} else "units"
        )
        with self._lock:
            self.counts.update({"requests": 1, kind: units})


def ours(client: Any, name: str) -> Told:
    sweep = close_due_periods(
        Table(client, name), _PLANS, lambda: NOW, lambda: True, workers=_WORKERS
    )
    return {"closed": sweep.closed, "finished": sweep.finished}


def scan_and_update(client: Any, name: str) -> Told:
    """The usual monthly job: reads every item and sets every counter to nothing."""
    return _scan(client, name, lambda _: True)


def scan_and_update_due(client: Any, name: str) -> Told:
    """The same, writing only what has ended."""
    return _scan(client, name, _has_ended)


def _scan(client: Any, name: str, wanted: Callable[[Mapping[str, Any]], bool]) -> Told:
    def update(item: Mapping[str, Any]) -> None:
        client.update_item(
            TableName=name,
            Key={"pk": item["pk"], "sk": item["sk"]},
            UpdateExpression="SET #used = :none",
            ExpressionAttributeNames={"#used": "month_used"},
            ExpressionAttributeValues={":none": {"N": "0"}},
        )

    pages = client.get_paginator("scan").paginate(TableName=name)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for page in pages:
            gates = [each for each in page["Items"] if each["sk"]["S"] == "GATE" and wanted(each)]
            for _ in pool.map(update, gates):
                pass
    return {}


def _has_ended(item: Mapping[str, Any]) -> bool:
    return any(each.startswith(f"{USED}2026-11-15") for each in item)


def single_closes(client: Any, name: str) -> Told:
    """What the closing transactions themselves cost, read apart."""
    found = client.scan(TableName=name)["Items"]
    meter = Meter(client)
    gates = [each for each in found if each["sk"]["S"] == "GATE"]
    for item in gates:
        close_gate(Table(client, name), _PLANS, item, NOW, NOW)
    return {"units_each": meter.counts["units"] / len(gates)}


def seed(client: Any, name: str, gates: str, due: str) -> Told:
    client.create_table(**template.load().table(name))
    fill(client, name, _PLANS, int(gates), int(due))
    return {}


def state(client: Any, name: str) -> Told:
    return {"digest": digest(client, name)}


_MEASURED = {each.__name__: each for each in (ours, scan_and_update, scan_and_update_due)}
_OTHERS: dict[str, Callable[..., Told]] = {
    each.__name__: each for each in (seed, state, single_closes)
}


def main() -> None:
    part, *arguments = sys.argv[1:]
    config = Config(max_pool_connections=50, parameter_validation=False, read_timeout=60)
    client = botocore.session.get_session().create_client("dynamodb", config=config)
    if part in _OTHERS:
        print(json.dumps(_OTHERS[part](client, *arguments)))
        return
    print("{}", flush=True)  # here the work begins
    meter = Meter(client)
    began = time.perf_counter()
    told = _MEASURED[part](client, *arguments)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIBIBYTES
    figures = {"seconds": round(seconds, 1), "peak_mb": round(peak)}
    counted = {each: round(count) for each, count in meter.counts.items()}
    print(json.dumps({**counted, **figures, **told}))


if __name__ == "__main__":
    main()
