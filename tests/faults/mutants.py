"""Mutants of what is really sent: one term of one write's condition is left out.

A write is told by its call, its item's kind and what it computes (not by what it only copies or
removes), so that admission is one write under every plan. A term is a leaf of its condition or a
group inside it; the same term of the same write is one mutant, whatever the plan that it was sent
under, and a mutant leaves it out wherever it stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.expressions import conditioned, parse, terms, without
from tests.faults.wire import Arguments, untouched

_COPIED = re.compile(r", #(\w+) = :\1\b|, #r\d+ = (:now|if_not_exists\([^)]*\))")
"""Attributes that take a value as it is, and the places of the burst, of which a release has its
own number.
"""


@dataclass(frozen=True, order=True)
class Mutant:
    """Tampers with every sending of `write`."""

    write: str
    term: str

    def __str__(self) -> str:
        return f"{self.write} without {self.term}"

    def __call__(self, call: str, arguments: Arguments) -> Arguments:
        if call != "transact_write_items":
            return self._mutated(call, arguments)
        actions = [
            {kind: self._mutated(f"{call} {kind}", action) for kind, action in each.items()}
            for each in arguments["TransactItems"]
        ]
        return {**arguments, "TransactItems": actions}

    def _mutated(self, call: str, action: Arguments) -> Arguments:
        if "ConditionExpression" not in action or _write(call, action) != self.write:
            return action
        condition = parse(action["ConditionExpression"])
        return conditioned(action, without(condition, self.term))


@dataclass
class Recorder:
    """Leaves what is sent as it is, and remembers which mutants of it there are."""

    met: set[Mutant] = field(default_factory=set)

    def __call__(self, call: str, arguments: Arguments) -> Arguments:
        for sent, action in _actions(call, arguments):
            if "ConditionExpression" in action:
                condition = parse(action["ConditionExpression"])
                write = _write(sent, action)
                self.met |= {Mutant(write, str(term)) for term in terms(condition)}
        return untouched(call, arguments)


def _actions(call: str, arguments: Arguments) -> Iterator[tuple[str, Arguments]]:
    yield call, arguments
    for each in arguments.get("TransactItems", ()):
        for kind, action in each.items():
            yield f"{call} {kind}", action


def _write(call: str, action: Arguments) -> str:
    """For instance `update_item GATE SET #open.#generation.#x = :one`."""
    computed = action.get("UpdateExpression", "").partition(" REMOVE ")[0]
    return f"{call} {_kind(action)} {_COPIED.sub('', computed)}".rstrip()


def _kind(action: Arguments) -> Any:
    key = action.get("Key") or action["Item"]
    return key["sk"]["S"].partition("#")[0]
