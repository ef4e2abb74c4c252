"""botocore's client with faults, before and after any call, chosen by a plan.

Each is what the caller sees once botocore's own retries are used up. A killed process stays dead:
whatever its `finally` blocks would still send, nothing arrives.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

Arguments = dict[str, Any]
WRITES = frozenset({"put_item", "update_item", "delete_item", "transact_write_items"})


class Killed(BaseException):
    """The process is gone: no use case may catch it."""


class Fault(StrEnum):
    KILLED = "killed before"
    KILLED_AFTER = "killed after"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    FAILED = "500 before"
    FAILED_AFTER = "500 after commit"
    TIMED_OUT = "timed out before"
    TIMED_OUT_AFTER = "timed out after commit"
    REPEATED = "sent twice"


_OF_WRITES_ONLY = {Fault.CONFLICT, Fault.REPEATED}
_OF_READS = [fault for fault in Fault if fault not in _OF_WRITES_ONLY]

Plan = Callable[[str], Fault | None]
"""Given the name of a call that is about to be sent."""


def quiet(_: str) -> Fault | None:
    return None


def at_random(random: Random, rates: dict[str, float]) -> Plan:
    """Any fault that the call can meet, at its own rate; a call that `rates` does not name has
    none.
    """

    def plan(call: str) -> Fault | None:
        if random.random() >= rates.get(call, 0):
            return None
        return random.choice(list(Fault) if call in WRITES else _OF_READS)

    return plan


def untouched(_: str, arguments: Arguments) -> Arguments:
    return arguments


@dataclass
class Wire:
    """`tamper` rewrites what is sent, to plant a bug; `meet` runs ahead of each call, to let other
    processes come between two calls of this one.
    """

    client: Any
    plan: Plan = quiet
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311  no secret
    tamper: Callable[[str, Arguments], Arguments] = untouched
    meet: Callable[[str], None] = lambda _: None
    injected: Counter[Fault] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    dead: bool = False

    def __getattr__(self, call: str) -> Callable[..., Any]:
        method = getattr(self.client, call)

        def request(**arguments: Any) -> Any:
            if self.dead:
                raise Killed
            self.meet(call)
            sent = _with_token(call, self.tamper(call, arguments))
            fault = self.plan(call)
            self.trace.append(f"{call}: {fault}" if fault else call)
            if fault is None:
                return method(**sent)
            self.injected[fault] += 1
            return self._faulty(fault, call, lambda: method(**sent))

        return request

    def restart(self) -> None:
        """Another process, with a trace of its own."""
        self.dead = False
        self.trace = []

    def _faulty(self, fault: Fault, call: str, send: Callable[[], Any]) -> Any:
        if fault is Fault.REPEATED:
            send()
            return send()
        if fault in _AFTER:
            send()  # an answer that is an error is an answer: no fault hides it
        match fault:
            case Fault.KILLED | Fault.KILLED_AFTER:
                self.dead = True
                raise Killed
            case Fault.THROTTLED:
                raise self._throttled(call)
            case Fault.CONFLICT:
                raise self._conflict(call)
            case Fault.TIMED_OUT:
                raise ConnectTimeoutError(endpoint_url=_ENDPOINT)
            case Fault.TIMED_OUT_AFTER:
                raise ReadTimeoutError(endpoint_url=_ENDPOINT)
        raise _refused(call, "InternalServerError", status=500)

    def _throttled(self, call: str) -> Exception:
        codes = ["ProvisionedThroughputExceededException", "ThrottlingException"]
        if call == "transact_write_items" and self.random.random() < 0.5:
            return _cancelled(self.random.choice(["ThrottlingError", "ProvisionedThroughput"]))
        return _refused(call, self.random.choice(codes))

    def _conflict(self, call: str) -> Exception:
        if call != "transact_write_items":
            return _refused(call, "TransactionConflictException")
        if self.random.random() < 0.5:
            return _refused(call, "TransactionInProgressException")
        return _cancelled("TransactionConflict")


_AFTER = {Fault.KILLED_AFTER, Fault.FAILED_AFTER, Fault.TIMED_OUT_AFTER}
_ENDPOINT = "the engine"


def _with_token(call: str, arguments: Arguments) -> Arguments:
    """A repeated transaction carries the token of its first sending, as botocore's retries do."""
    if call != "transact_write_items":
        return arguments
    return {"ClientRequestToken": str(uuid4()), **arguments}


def _refused(call: str, code: str, status: int = 400) -> Exception:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = ClientError(answer, call)
    return error


def _cancelled(reason: str) -> Exception:
    answer = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": "None"}, {"Code": reason}],
    }
    error: Exception = ClientError(answer, "transact_write_items")
    return error
