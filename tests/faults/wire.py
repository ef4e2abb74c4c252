"""botocore's client with faults, before and after any call, chosen by a plan.

Each is what the caller sees once botocore's own retries are used up. A killed process stays dead:
whatever its `finally` blocks would still send, nothing arrives. A late write arrives when `land`
lets it, among those of whoever came after it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
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
    DELAYED = "timed out, lands later"
    OVERTAKEN = "lands after its repeat"
    KILLED_DELAYED = "killed, lands later"


LATE = frozenset({Fault.DELAYED, Fault.OVERTAKEN, Fault.KILLED_DELAYED})
"""For a wire whose owner lets late writes land."""
_OF_WRITES_ONLY = {Fault.CONFLICT, Fault.REPEATED} | LATE

Plan = Callable[[str], Fault | None]
"""Given the name of a call that is about to be sent."""


def quiet(_: str) -> Fault | None:
    return None


def at_random(
    random: Random, rates: Mapping[str, float], late: Collection[Fault] = frozenset()
) -> Plan:
    """Any fault that the call can meet, at its own rate; a call that `rates` does not name has
    none. Of the late ones only `late`.
    """
    of_writes = [fault for fault in Fault if fault in late or fault not in LATE]
    of_reads = [fault for fault in of_writes if fault not in _OF_WRITES_ONLY]

    def plan(call: str) -> Fault | None:
        if random.random() >= rates.get(call, 0):
            return None
        return random.choice(of_writes if call in WRITES else of_reads)

    return plan


def untouched(_: str, arguments: Arguments) -> Arguments:
    return arguments


Audit = Callable[[str, Arguments, Callable[..., Any]], Any]
"""Sends by the third what the first two say, and may look at the table before and after it."""


def unseen(_: str, arguments: Arguments, send: Callable[..., Any]) -> Any:
    return send(**arguments)


@dataclass
class Wire:
    """`tamper` rewrites what is sent, to plant a bug; `meet` runs ahead of each call, to let other
    processes come between two calls of this one; `audit` sees every request that arrives, the late
    and the repeated ones too.
    """

    client: Any
    plan: Plan = quiet
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311  no secret
    tamper: Callable[[str, Arguments], Arguments] = untouched
    meet: Callable[[str], None] = lambda _: None
    audit: Audit = unseen
    late: list[Callable[[], Any]] = field(default_factory=list)
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

            def send() -> Any:
                return self.audit(call, sent, method)

            if fault is None:
                return send()
            self.injected[fault] += 1
            return self._faulty(fault, call, send)

        return request

    def land(self, chance: float = 1) -> None:
        """Late writes arrive, each with this chance. Nobody hears of their answers."""
        landing = [each for each in self.late if self.random.random() < chance]
        self.late = [each for each in self.late if each not in landing]
        for each in landing:
            self.trace.append("a late one")
            with suppress(ClientError):
                each()

    def restart(self) -> None:
        """Another process, with a trace of its own."""
        self.dead = False
        self.trace = []

    def _faulty(self, fault: Fault, call: str, send: Callable[[], Any]) -> Any:
        if fault in LATE:
            self.late.append(send)
        if fault in _AFTER:
            send()  # an answer that is an error is an answer: no fault hides it
        if fault is Fault.REPEATED:
            with suppress(ClientError):
                send()
        if fault in {Fault.REPEATED, Fault.OVERTAKEN}:
            return _once_repeated(send)
        if fault in _OF_DEATH:
            self.dead = True
            raise Killed
        raise self._told(fault, call)

    def _told(self, fault: Fault, call: str) -> Exception:
        match fault:
            case Fault.THROTTLED:
                return self._throttled(call)
            case Fault.CONFLICT:
                return self._conflict(call)
            case Fault.TIMED_OUT:
                error: Exception = ConnectTimeoutError(endpoint_url=_ENDPOINT)
            case Fault.TIMED_OUT_AFTER | Fault.DELAYED:
                error = ReadTimeoutError(endpoint_url=_ENDPOINT)
            case _:
                error = _refused(call, "InternalServerError", status=500)
        return error

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


_OF_DEATH = {Fault.KILLED, Fault.KILLED_AFTER, Fault.KILLED_DELAYED}
_AFTER = {Fault.KILLED_AFTER, Fault.FAILED_AFTER, Fault.TIMED_OUT_AFTER}
_ENDPOINT = "the engine"


def _with_token(call: str, arguments: Arguments) -> Arguments:
    """A repeated transaction carries the token of its first sending, as botocore's retries do."""
    if call != "transact_write_items":
        return arguments
    return {"ClientRequestToken": str(uuid4()), **arguments}


def _once_repeated(send: Callable[[], Any]) -> Any:
    """The answer to a second sending, which botocore marks as such."""
    try:
        answer = send()
    except ClientError as error:
        error.response["ResponseMetadata"]["RetryAttempts"] = 1
        raise
    answer["ResponseMetadata"]["RetryAttempts"] = 1
    return answer


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
