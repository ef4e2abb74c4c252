"""One request to generate: what its reader got of it, and whether its charge is fair."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.faults.transports import Call
from tollgate.generation.generate import Generation
from tollgate.generation.order import Body, PostedMessage
from tollgate.generation.order import Part as PostedPart
from tollgate.generation.prompt import tokens_about
from tollgate.quota.settlement import FAILED, FINISHED, RECLAIMED
from tollgate.table.client import Item
from tollgate.tenancy.gate import integer

LONGEST = 40
"""Words of an answer, and events after which it may break."""
_LEAVE_RATE = 0.2


@dataclass
class Visit:
    """One request: what of its answer reached the reader, and what ended it."""

    generation: str
    calls: list[Call] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    ended: str = ""
    killed: bool = False
    faults: int = 0

    @property
    def delivered(self) -> int:
        """Tokens of the text that the reader has."""
        texts = (part["delta"] for part in self.received if part["type"] == "text-delta")
        return sum(map(tokens_about, texts))

    @property
    def passed(self) -> int:
        """Tokens of the text that came from a provider."""
        return sum(tokens_about(text) for call in self.calls for text in call.texts)


async def read(random: Random, generation: Generation, visit: Visit) -> None:
    leaves_after = random.randrange(LONGEST) if random.random() < _LEAVE_RATE else None
    async with generation.parts as parts:
        async for sent in parts:
            for line in sent.decode().split("\n\n"):
                if line.startswith("data: {"):
                    visit.received.append(json.loads(line.removeprefix("data: ")))
            if leaves_after is not None and len(visit.received) > leaves_after:
                visit.ended = "left"
                return


def body(random: Random) -> Body:
    question = f"in {random.randint(1, LONGEST)} words about tolls"
    model = random.choice(["gpt", "claude"])
    if random.random() < 0.5:
        return Body(input=question, model=model)
    posted = PostedMessage(role="user", parts=(PostedPart("text", question),))
    return Body(id="c1", messages=(posted,), model=model)


def told_as_charged(visit: Visit, receipt: Item) -> None:
    """The reader's own bill, where it came."""
    bill = next((each for each in visit.received if each["type"] == "finish"), None)
    if bill is None or receipt["outcome"]["S"] == RECLAIMED:
        return
    usage = bill["messageMetadata"]["usage"]
    shown = usage["inputTokens"], usage["outputTokens"]
    written = integer(receipt["input_tokens"]), integer(receipt["output_tokens"])
    assert shown == written, f"P4: shown {shown}, charged {written}"


def unfair(visit: Visit, receipt: Item) -> Iterator[str]:
    """P4: neither free nor double; who could not settle is charged by the last note at most."""
    output, outcome = integer(receipt["output_tokens"]), receipt["outcome"]["S"]
    usages = [call.usage for call in visit.calls if call.usage is not None]
    name = f"P4: {visit.generation} {outcome}, charged {output}"
    if outcome == RECLAIMED:
        if output > visit.passed:
            yield f"{name}, from the providers came {visit.passed}"
    elif not receipt["estimated"]["BOOL"] and outcome != FAILED:
        charge = integer(receipt["input_tokens"]), output
        if charge not in usages:
            yield f"{name}, the providers counted {usages}"
    elif not visit.delivered <= output <= visit.passed:
        yield f"{name}, {visit.delivered} of {visit.passed} were delivered"
    if outcome == FINISHED and not usages:
        yield f"{name}, and no provider had finished"
