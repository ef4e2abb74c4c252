"""One account's random generations, with the store, the providers and the reader all failing."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx2
import msgspec
import uvicorn

from local import models, template
from local.processes import accepts, free_ports
from tests.faults.books import Books, broken, charged
from tests.faults.generation_visit import LONGEST, Visit, body, read, told_as_charged, unfair
from tests.faults.history import Violation
from tests.faults.transports import Break, ModelWire, planned
from tests.faults.wire import Arguments, Killed, Wire, quiet, untouched
from tests.integration.quota.house import NOON, Clock
from tests.integration.sign_in_service import CATALOGUE
from tollgate.generation import hold_watch, relay
from tollgate.generation.generate import Generate, NotOpened
from tollgate.generation.order import order
from tollgate.generation.providers import Provider, Providers
from tollgate.generation.relay import Ledger
from tollgate.quota.admission import Admission, Hint, Visitor
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.refusal import Refused
from tollgate.quota.stop import stop
from tollgate.table import keys
from tollgate.table.client import Table, Unavailable
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds

STEPS = 25
RATES = {"update_item": 0.15, "transact_write_items": 0.2, "get_item": 0.05, "model": 0.25}
_BREAK_RATE = 0.35
_DEADLINE_RATE = 0.1
_MEETINGS = {"model": 0.08, "transact_write_items": 0.1, "update_item": 0.05}
_USER, _SESSION = "usr_1", "ses_1"
_PATIENCE_SECONDS = 10.0


class _Wired(Providers):
    """Providers whose SDKs speak through the faulty transport."""

    def __init__(self, wire: ModelWire, url: str) -> None:
        super().__init__(
            openai_key="sk-x",
            anthropic_key="sk-x",
            openai_base_url=f"{url}/v1",
            anthropic_base_url=f"{url}/anthropic",
        )
        self._wire = wire

    def _make(self, provider: str) -> Provider:
        made: Any = super()._make(provider)
        http = httpx2.AsyncClient(transport=self._wire, base_url=made._client.base_url)
        made._client = made._client.with_options(http_client=http)
        wired: Provider = made
        return wired


@dataclass
class GenerationHistory:
    """Everything follows from `seed`, as far as the threads that write allow it."""

    seed: int
    client: Any
    table_name: str
    models_url: str
    tamper: Callable[[str, Arguments], Arguments] = untouched
    clock: Clock = field(default_factory=Clock)
    visits: dict[str, Visit] = field(default_factory=dict)
    current: str = ""
    met: bool = False
    lines: list[str] = field(default_factory=list)
    broken: Counter[Break] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  to be played again, not to be secret
        self.catalogue = _catalogue()
        plan = planned(self.random, RATES)
        self.wire = Wire(self.client, plan, self.random, self.tamper, self._meet)
        self.direct = Table(self.client, self.table_name)
        self.models = ModelWire(self.wire, self._break)
        table = Table(self.wire, self.table_name)
        self.ledger = Ledger(table, self.catalogue, self.clock)
        providers = _Wired(self.models, self.models_url)
        for each in ("openai", "anthropic"):
            providers.preload(each)
        admission = Admission(table, self.catalogue, self.clock, lambda _: None)
        self.generate = Generate(self.ledger, admission, providers)
        self.account = f"acc_{self.seed}"
        limits = Limits.of(self.catalogue.lowest, CALENDAR)
        sessions = {_SESSION: milliseconds(NOON + timedelta(days=3_650))}
        self.direct.put(gate.born(self.account, limits, sessions))
        self.books = Books.read(self.direct, self.account)

    def play(self, steps: int) -> None:
        """Ends in quiet: what is still held is reclaimed, and every admission has its decision."""
        with asyncio.Runner() as runner:
            try:
                self._play(runner, steps)
            finally:  # as the system closes the connections of those that died
                runner.run(self.generate.providers.aclose())
        if self.books.gate.open:
            raise self.violation(f"P3: undecided at the end: {sorted(self.books.gate.open)}")

    def _play(self, runner: asyncio.Runner, steps: int) -> None:
        for _ in range(steps):
            [step] = self.random.choices(_STEPS, _WEIGHTS)
            self._step(runner, step)
        self.wire.plan = quiet
        self.wire.meet = lambda _: None
        self.clock.advance(minutes=20)
        self._step(runner, reclaim)

    def visitor(self, generation: str) -> Visitor:
        return Visitor(self.account, _USER, _SESSION, generation)

    def _step(self, runner: asyncio.Runner, step: "Step") -> None:
        self.met = False
        self.wire.restart()
        try:
            outcome = step(self, runner)
        except (Killed, Unavailable) as end:
            outcome = type(end).__name__
        except Exception as error:
            raise self.violation(f"{step.__name__} raised {error!r}") from error
        self.lines.append(f"{self.clock():%dT%H:%M:%S} {step.__name__} → {outcome} {self.trace}")
        before, self.books = self.books, Books.read(self.direct, self.account)
        problems = [*broken(self.books, self.clock(), timedelta()), *self._broken(before)]
        if problems:
            raise self.violation("; ".join(problems))

    @property
    def trace(self) -> list[str]:
        return self.wire.trace

    def _broken(self, before: Books) -> Iterator[str]:
        receipts = self.books.receipts
        if lost := before.receipts.keys() - receipts.keys():
            yield f"P3: receipts are gone: {sorted(lost)}"
        if lost := before.gate.open.keys() - self.books.gate.open.keys() - receipts.keys():
            yield f"P3: holds without a decision: {sorted(lost)}"
        if unknown := (receipts.keys() | self.books.gate.open.keys()) - self.visits.keys():
            yield f"P3: never sent, and admitted: {sorted(unknown)}"
        for name in receipts.keys() - before.receipts.keys():
            yield from unfair(self.visits[name], charged(receipts[name]))

    def violation(self, problem: str) -> Violation:
        return Violation("\n".join([f"seed {self.seed}: {problem}", *self.lines, *self.trace]))

    def _break(self) -> tuple[Break, int] | None:
        if self.random.random() >= _BREAK_RATE:
            return None
        chosen = self.random.choice(list(Break)), self.random.randrange(LONGEST)
        self.broken[chosen[0]] += 1
        return chosen

    def _meet(self, call: str) -> None:
        """The person stops it, or the schedule takes it for dead, between two calls."""
        if self.current and self.random.random() < _MEETINGS.get(call, 0):
            self.met = True
            what = self.random.choice(("stopped", "reclaimed"))
            self.trace.append(f"[{what}]")
            if what == "stopped":
                stop(self.direct, self.visitor(self.current), self.clock())
            else:
                self.clock.advance(minutes=20)
                _reclaim(self, self.direct)


Step = Callable[[GenerationHistory, asyncio.Runner], str]


def visit(history: GenerationHistory, runner: asyncio.Runner) -> str:
    visit = Visit(f"gen_{len(history.visits) + 1}")
    history.visits[visit.generation] = visit
    history.current = visit.generation
    injected = history.wire.injected.total() + history.broken.total()
    calls, tried = len(history.models.calls), len(history.models.tried)
    try:
        runner.run(_visited(history, visit))
    finally:
        history.current = ""
        visit.calls = history.models.calls[calls:]
        visit.tried = history.models.tried[tried:]
        visit.faults = history.wire.injected.total() + history.broken.total() - injected
        visit.killed = history.wire.dead
    _well_ended(history, visit)
    return f"{visit.generation} {visit.ended}, {visit.delivered} of {visit.passed} tokens"


async def _visited(history: GenerationHistory, visit: Visit) -> None:
    """Until nothing of it runs any more."""
    wanted = order(body(history.random), history.catalogue)
    seconds = 0.02 if history.random.random() < _DEADLINE_RATE else 60.0
    hint = Hint("free", CALENDAR, 1)
    try:
        visitor = history.visitor(visit.generation)
        generation = await history.generate.start(visitor, hint, wanted, seconds)
        visit.ended = "opened"
        await read(history.random, generation, visit)
    except (Refused, Unavailable, NotOpened) as end:
        visit.ended = type(end).__name__
    except BaseException as end:
        if not _is_death(end):
            raise
        visit.ended = "killed"
    async with asyncio.timeout(_PATIENCE_SECONDS):
        left = await asyncio.gather(*history.generate.running, return_exceptions=True)
    for error in left:
        if isinstance(error, BaseException) and not _is_death(error):
            raise error


def _is_death(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_death, error.exceptions))
    return isinstance(error, Killed)


def _well_ended(history: GenerationHistory, visit: Visit) -> None:
    books = Books.read(history.direct, history.account)
    receipt, held = books.receipts.get(visit.generation), visit.generation in books.gate.open
    asked = bool(visit.tried)
    assert not asked or receipt is not None or held, "P8: a provider was asked without admission"
    assert len(visit.tried) == len(set(visit.tried)) <= 2, f"F2: asked {visit.tried}"
    still_open = [call for call in visit.calls if call.open]
    assert visit.killed or not still_open, f"upstream is still open: {still_open}"
    if not visit.faults:
        assert not held, "undecided, without a fault"
        assert not asked or receipt is not None
    if receipt is not None and not visit.killed and not held:
        told_as_charged(visit, charged(receipt))


def reclaim(history: GenerationHistory, _: asyncio.Runner) -> str:
    return _reclaim(history, history.ledger.table)


def _reclaim(history: GenerationHistory, table: Table) -> str:
    item = history.direct.get(keys.gate(history.account))
    assert item is not None
    found = Books.read(history.direct, history.account).gate
    return str(reclaim_dead_holds(table, history.catalogue, found, history.clock()))


def wait(history: GenerationHistory, _: asyncio.Runner) -> str:
    time = history.random.choice([timedelta(seconds=61), timedelta(minutes=20), timedelta(days=1)])
    history.clock.now += time
    return str(time)


_CHANCES: dict[Step, int] = {visit: 12, reclaim: 2, wait: 5}
_STEPS, _WEIGHTS = list(_CHANCES), list(_CHANCES.values())


def _catalogue() -> Any:
    """Limits that a short history reaches."""
    free = msgspec.structs.replace(CATALOGUE.lowest, day=9, month=20_000, concurrent=3)
    return msgspec.structs.replace(CATALOGUE, plans={**CATALOGUE.plans, free.id: free})


def play_generations(
    client: Any, tamper: Callable[[str, Arguments], Arguments], seeds: range
) -> Counter[str]:
    """Faults injected, on a table and with models of their own. Errors: Violation."""
    name = f"generations-{uuid4().hex}"
    client.create_table(**template.load().table(name))
    injected: Counter[str] = Counter()
    with running_models() as url, _quick_and_silent():
        for seed in seeds:
            history = GenerationHistory(seed, client, name, url, tamper)
            history.play(STEPS)
            injected.update(history.wire.injected)
            injected.update(history.broken)
    return injected


@contextmanager
def running_models() -> Iterator[str]:
    """The stand-in beside the test, without its pauses."""
    [port] = free_ports(1)
    config = uvicorn.Config(
        models.build(0), host="127.0.0.1", port=port, log_level="critical", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not accepts(port):
            thread.join(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _quick_and_silent() -> Iterator[None]:
    """Answers that take seconds, played in milliseconds."""
    logging.disable(logging.CRITICAL)
    try:
        with (
            patch.object(hold_watch, "_PAUSE_SECONDS", 0.02),
            patch.object(relay, "_CHECKPOINT_SECONDS", 0.01),
        ):
            yield
    finally:
        logging.disable(logging.NOTSET)
