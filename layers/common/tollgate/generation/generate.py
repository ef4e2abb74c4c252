"""One generation: admitted, opened at a provider, relayed.

What fails before its first token costs nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from anyio.to_thread import run_sync

from tollgate.generation.conversations import Before, Conversations, Member
from tollgate.generation.events import Finished, ProvidersUnavailable, Started
from tollgate.generation.hold_watch import HoldWatch, cancel_after
from tollgate.generation.order import Order
from tollgate.generation.prompt import Prompt
from tollgate.generation.providers import Providers
from tollgate.generation.relay import Answer, Ledger, Relay
from tollgate.logs import logger
from tollgate.quota.admission import Admission, Admitted, Hint, Visitor
from tollgate.quota.extend_hold import extend_hold
from tollgate.quota.gate import Gate, Hold
from tollgate.quota.give_back import give_back
from tollgate.table.client import Unavailable

_PARTS_AHEAD = 16
_GIVE_BACK_SECONDS = 1.0


class NotOpened(Exception):
    """No provider began to answer; `gate` is what stands after day and tokens went back."""

    def __init__(self, gate: Gate) -> None:
        super().__init__("no provider began to answer")
        self.gate = gate


@dataclass(frozen=True, slots=True)
class Generation:
    """`parts` are the bytes of the UI message stream; closing them stops the generation."""

    admitted: Admitted
    parts: MemoryObjectReceiveStream[bytes]


@dataclass(frozen=True, slots=True)
class Generate:
    """`running` keeps the relays alive: they outlast the requests that began them."""

    ledger: Ledger
    admission: Admission
    providers: Providers
    running: set[asyncio.Task[Any]] = field(default_factory=set)

    async def start(
        self,
        visitor: Visitor,
        hint: Hint,
        order: Order,
        seconds: float,
        gone: Callable[[], Awaitable[object]] = anyio.sleep_forever,
    ) -> Generation:
        """Returns at the provider's first token; all of it together lasts `seconds` at most.

        What is stopped before that token, or whose reader is `gone` by then, is an empty answer and
        costs its input: a provider was asked, and who could stop for free could ask for ever.
        Errors: those of `Admission.admit` and of `Order.demand`, `NotOpened`.
        """
        ends = anyio.current_time() + seconds
        catalogue = self.ledger.catalogue
        try:
            admitted = await run_sync(
                self.admission.admit, visitor, hint, lambda plan: order.demand(catalogue, plan)
            )
        except Unavailable:
            # Whether it was admitted is unknown. A frozen process could not give it back later.
            with anyio.CancelScope(shield=True):
                await self._given_back(visitor, None)
            raise
        hold_watch = HoldWatch(self.ledger.table, visitor)
        try:
            before = await run_sync(self._before, visitor, order)
            admitted, prompt = await run_sync(self._prompt, visitor, order, admitted, before)
            answer, started = await self._open(
                order, admitted, prompt, ends, [hold_watch.ended, gone]
            )
        except ProvidersUnavailable as error:
            gate = await self._given_back(visitor, admitted.hold)
            raise NotOpened(gate or admitted.gate) from error
        except BaseException:
            # Cancelled or failed, in whatever way: day and tokens go back before anybody hears.
            with anyio.CancelScope(shield=True):
                await self._given_back(visitor, admitted.hold)
            raise
        sender, parts = anyio.create_memory_object_stream[bytes](_PARTS_AHEAD)
        relay = Relay(self.ledger, visitor, order, admitted, before.replaced, hold_watch)
        self._keep_running(relay.run(answer, started, prompt, sender, ends))
        return Generation(admitted, parts)

    def _keep_running(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return task

    async def _given_back(self, visitor: Visitor, hold: Hold | None) -> Gate | None:
        """None where the store is slow: the work goes on, and the client is not kept waiting."""
        task = self._keep_running(run_sync(self._give_back, visitor, hold))
        await asyncio.wait({task}, timeout=_GIVE_BACK_SECONDS)
        return task.result() if task.done() else None

    def _before(self, visitor: Visitor, order: Order) -> Before:
        """Earlier turns come from the store, so that a client cannot forge what was said."""
        if not order.continued:
            return Before()
        return Conversations(self.ledger.table).before(
            Member(visitor.account_id, visitor.user_id),
            order.conversation_id,
            order.question_id,
            self.ledger.clock(),
        )

    def _prompt(
        self, visitor: Visitor, order: Order, admitted: Admitted, before: Before
    ) -> tuple[Admitted, Prompt]:
        """The hold grows where the client posted less than was said, as many do on purpose.

        Where the month has no room for that, the oldest turns are left out.
        """
        limit, turns = admitted.plan.input_tokens, before.turns
        prompt = order.prompt(turns, limit)
        missing = prompt.input_bound - admitted.hold.input_tokens
        if missing > 0:
            admitted = extend_hold(self.ledger.table, visitor, admitted, missing)
        while prompt.input_bound > admitted.hold.input_tokens:
            turns = turns[1:]
            prompt = order.prompt(turns, limit)
        return admitted, prompt

    def _give_back(self, visitor: Visitor, hold: Hold | None) -> Gate | None:
        """Where the store is out of reach, the hold is left to its reclaim."""
        ledger = self.ledger
        try:
            return give_back(ledger.table, ledger.catalogue, visitor, ledger.clock(), hold)
        except Unavailable:
            logger().error("%s is left to its reclaim", visitor.generation_id)
            return None

    async def _open(
        self,
        order: Order,
        admitted: Admitted,
        prompt: Prompt,
        ends: float,
        given_up: Sequence[Callable[[], Awaitable[object]]],
    ) -> tuple[Answer, Started]:
        """The answer with its first event; an empty one where it was given up before that.

        Raises ProvidersUnavailable, also where the time ends first.
        """
        route = self.ledger.catalogue.route(order.alias, admitted.plan.id)
        answer = self.providers.stream(route, prompt, admitted.output_tokens)
        opened: Started | ProvidersUnavailable | None = None
        with anyio.CancelScope(deadline=ends) as in_time:
            async with anyio.create_task_group() as tasks:
                for each in given_up:
                    tasks.start_soon(cancel_after, each, tasks.cancel_scope)
                opened = await _opened(answer)
                tasks.cancel_scope.cancel()
        if isinstance(opened, Started):
            return answer, opened
        if opened is None and not in_time.cancelled_caught:
            return _nothing(), Started(route[0], prompt.input_about)
        raise opened or ProvidersUnavailable(())


async def _opened(answer: Answer) -> Started | ProvidersUnavailable:
    """A failure as a value, since a task group would raise it inside an ExceptionGroup."""
    try:
        started = await anext(answer)
    except ProvidersUnavailable as error:
        return error
    assert isinstance(started, Started)  # noqa: S101  what `stream` promises, for mypy
    return started


async def _nothing() -> Answer:
    """An answer without a single event."""
    events: tuple[Finished, ...] = ()
    for event in events:
        yield event
