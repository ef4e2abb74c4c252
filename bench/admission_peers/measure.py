"""One peer's figures on a running engine, as one JSON line: `<peer> <engine's address>`."""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

import botocore.session

from bench.admission_peers import OpenPeer, Peer
from bench.admission_peers.counting import Count, counting

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

LIMIT, ATTEMPTS, WORKERS = 1_000, 10_000, 64
ROUNDS = 7
_PROCESSES = 2
_PACED = 200
_CALLS_PER_ROUND = 150


def main(peer: str, engine_url: str) -> None:
    figures = _counted(peer, engine_url)
    os.environ["AWS_ENDPOINT_URL"] = engine_url
    figures |= {"admitted": _admitted(peer), **_processor_time(peer)}
    print(json.dumps(figures))


def _open(peer: str, use: str, limit: int | None) -> Peer:
    open_peer: OpenPeer = import_module(f"bench.admission_peers.{peer}").open_peer
    return open_peer(f"{peer.replace('_', '-')}-{use}", limit)


def _counted(peer: str, engine_url: str) -> dict[str, Any]:
    """Per admitted generation, one after another; what the first costs more stands apart."""
    with counting(engine_url) as wire:
        os.environ["AWS_ENDPOINT_URL"] = wire.url
        paced = _open(peer, "paced", None)
        paced.prepare()
        wire.count.take()
        first, _ = _passed(paced, wire.count)
        passed = [_passed(paced, wire.count) for _ in range(_PACED)]
    admission, settlement = Count(), Count()
    for admitting, settling in passed:
        admission, settlement = admission.plus(admitting), settlement.plus(settling)
    return {
        **admission.each(_PACED),
        "first": first.each(1),
        "with_settlement": admission.plus(settlement).each(_PACED),
    }


def _passed(peer: Peer, count: Count) -> tuple[Count, Count]:
    """What one admission and its settlement took."""
    settle = peer.admit()
    assert settle is not None, "nothing is refused in a paced run"
    admission = count.take()
    settle()
    return admission, count.take()


def _processor_time(peer: str) -> dict[str, float]:
    """The client's processor time of an admission, over that of a bare `update_item` in turn."""
    timed = _open(peer, "timed", None)
    timed.prepare()
    bare = _bare_update(f"{peer.replace('_', '-')}-bare")
    _round(timed, bare, 20)
    rounds = [_round(timed, bare, _CALLS_PER_ROUND) for _ in range(ROUNDS)]
    ratios = [each.admission / each.bare for each in rounds]
    return {
        "cpu_vs_botocore": round(median(ratios), 2),
        "cpu_lowest": round(min(ratios), 2),
        "cpu_highest": round(max(ratios), 2),
        "cpu_ms": round(median(each.admission for each in rounds) * 1000, 3),
        "botocore_ms": round(median(each.bare for each in rounds) * 1000, 3),
    }


@dataclass
class _Seconds:
    """Of one call each."""

    admission: float
    bare: float


def _round(peer: Peer, bare: Callable[[], object], calls: int) -> _Seconds:
    """In turns, call by call: what disturbs one disturbs the other. Settling is not timed."""
    admission = other = 0.0
    for _ in range(calls):
        began = time.process_time()
        settle = peer.admit()
        admission += time.process_time() - began
        assert settle is not None, "nothing is refused in a paced run"
        settle()
        began = time.process_time()
        bare()
        other += time.process_time() - began
    return _Seconds(admission / calls, other / calls)


def _bare_update(name: str) -> Callable[[], object]:
    """botocore as it comes, raising one number of a small item."""
    client = botocore.session.get_session().create_client("dynamodb")
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return lambda: client.update_item(
        TableName=name,
        Key={"pk": {"S": "ACCOUNT#acc_1"}},
        UpdateExpression="ADD #used :one",
        ExpressionAttributeNames={"#used": "used"},
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def _admitted(peer: str) -> int:
    """How many of `ATTEMPTS` are let in at `LIMIT`, over all workers."""
    _open(peer, "race", LIMIT).prepare()
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(_PROCESSES)
    with ProcessPoolExecutor(_PROCESSES, context, _meet_at, (start,)) as processes:
        share = ATTEMPTS // _PROCESSES
        return sum(processes.map(_let_in, [peer] * _PROCESSES, [share] * _PROCESSES))


_start: "Barrier"


def _meet_at(barrier: "Barrier") -> None:
    global _start
    _start = barrier


def _let_in(peer: str, attempts: int) -> int:
    racing = _open(peer, "race", LIMIT)

    def attempt(_: int) -> bool:
        settle = racing.admit()
        if settle is not None:
            settle()
        return settle is not None

    with ThreadPoolExecutor(WORKERS // _PROCESSES) as workers:
        _start.wait(timeout=60)
        return sum(workers.map(attempt, range(attempts)))


if __name__ == "__main__":
    main(*sys.argv[1:])
