"""The relay: a provider's answer to the reader as it comes, and its settlement whatever happens.

It runs as a task of its own. A reader that leaves, a deadline or a broken provider ends the
reading, never the settlement: what was delivered is charged, and nothing that was not.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Self

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from anyio.to_thread import run_sync

from tollgate.catalogue import Catalogue, Model
from tollgate.generation import ui_stream
from tollgate.generation.conversations import Conversations, Exchange, Member
from tollgate.generation.events import Delta, Finished, ProviderFailed, Started
from tollgate.generation.hold_watch import HoldWatch, cancel_after
from tollgate.generation.order import Order
from tollgate.generation.prompt import Prompt, tokens_about
from tollgate.logs import logger
from tollgate.quota.admission import Admitted, Visitor
from tollgate.quota.gate import Gate
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.settlement import FAILED, FINISHED, STOPPED, Usage, checkpoint, settle
from tollgate.table.client import Table, Unavailable
from tollgate.table.keys import Key
from tollgate.tenancy.ids import new_id

Answer = AsyncGenerator[Started | Delta | Finished, None]
Parts = MemoryObjectSendStream[bytes]

_WATCH_SECONDS = 1.0
_CHECKPOINT_SECONDS = 5
_KEEP_ALIVE_SECONDS = 15
_SETTLE_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where a generation's end is written."""

    table: Table
    catalogue: Catalogue
    clock: Callable[[], datetime]


@dataclass(slots=True)
class Progress:
    """What has been delivered so far; nothing else decides the charge."""

    model: Model
    prompt: Prompt
    counted_input: int | None
    pieces: list[str] = field(default_factory=list)
    tokens: int = 0
    finished: Finished | None = None
    failed: ProviderFailed | None = None

    @classmethod
    def of(cls, started: Started, prompt: Prompt) -> Self:
        return cls(started.model, prompt, started.input_tokens)

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.tokens += tokens_about(text)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def usage(self, output_limit: int) -> Usage:
        """The provider's count where it came; else an estimate, never below what was delivered."""
        outcome = FINISHED if self.finished else STOPPED
        counted = (
            self.finished.usage if self.finished else self.failed.usage if self.failed else None
        )
        if counted is not None:
            return Usage(outcome, self.model.id, counted.input_tokens, counted.output_tokens, False)
        if self.failed and not self.pieces:
            return Usage(FAILED, self.model.id, 0, 0, estimated=False)
        read = self.prompt.input_about if self.counted_input is None else self.counted_input
        return Usage(outcome, self.model.id, read, min(self.tokens, output_limit), estimated=True)


@dataclass(frozen=True, slots=True)
class Relay:
    """One admitted generation whose provider has begun to answer."""

    ledger: Ledger
    visitor: Visitor
    order: Order
    admitted: Admitted
    replaced: tuple[Key, ...]
    hold_watch: HoldWatch
    answer_id: str = field(default_factory=partial(new_id, "msg"))

    async def run(
        self, answer: Answer, started: Started, prompt: Prompt, parts: Parts, ends: float
    ) -> None:
        """Reads until `ends`, on the loop's clock; the reader has gone when nobody receives."""
        progress = Progress.of(started, prompt)
        async with parts:
            try:
                await self._read(answer, progress, parts, ends)
            finally:
                gate, usage = await run_sync(self._end, progress)
            await self._close(progress, gate, usage, parts)

    async def _read(self, answer: Answer, progress: Progress, parts: Parts, ends: float) -> None:
        """Ends with the answer, its failure, the deadline, a stop, or the reader's leaving."""
        try:
            async with aclosing(answer):
                parts.send_nowait(self._head(progress))
                with anyio.CancelScope(deadline=ends):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._watch, progress, parts, tasks.cancel_scope)
                        tasks.start_soon(self._note, progress)
                        tasks.start_soon(cancel_after, self.hold_watch.ended, tasks.cancel_scope)
                        await self._pass_on(answer, progress, parts)
                        tasks.cancel_scope.cancel()
        except* ProviderFailed as failures:
            progress.failed = next(
                each for each in failures.exceptions if isinstance(each, ProviderFailed)
            )
        except* anyio.BrokenResourceError:
            logger().info("the reader of %s left", self.visitor.generation_id)

    def _head(self, progress: Progress) -> bytes:
        start = ui_stream.start(
            self.answer_id,
            generation_id=self.visitor.generation_id,
            conversation_id=self.order.conversation_id,
            model=progress.model.id,
            cached=False,
        )
        return start + ui_stream.START_STEP + ui_stream.TEXT_START

    async def _pass_on(self, answer: Answer, progress: Progress, parts: Parts) -> None:
        async for event in answer:
            if isinstance(event, Delta):
                progress.add(event.text)
                await _deliver(ui_stream.text_delta(event.text), parts)
            elif isinstance(event, Finished):
                progress.finished = event

    async def _watch(self, progress: Progress, parts: Parts, scope: anyio.CancelScope) -> None:
        """Notices a reader that left, and keeps an idle connection open."""
        quiet, seen = 0, 0
        while parts.statistics().open_receive_streams:
            await anyio.sleep(_WATCH_SECONDS)
            quiet = 0 if progress.tokens > seen else quiet + 1
            seen = progress.tokens
            if quiet and quiet % _KEEP_ALIVE_SECONDS == 0:
                await parts.send(ui_stream.KEEP_ALIVE)
        scope.cancel()

    async def _note(self, progress: Progress) -> None:
        """Writes down what was delivered, for the reclaim of a process that dies."""
        noted = 0
        while True:
            await anyio.sleep(_CHECKPOINT_SECONDS)
            if progress.tokens > noted:
                noted = progress.tokens
                await run_sync(self._checkpoint, noted, abandon_on_cancel=True)

    def _checkpoint(self, tokens: int) -> None:
        try:
            checkpoint(
                self.ledger.table, self.visitor.account_id, self.visitor.generation_id, tokens
            )
        except Unavailable:
            logger().warning("checkpoint of %s not written", self.visitor.generation_id)

    def _end(self, progress: Progress) -> tuple[Gate, Usage]:
        """Settles first: what was said may be lost, what it cost may not.

        What processes that died have left behind on this gate is settled on the way.
        """
        usage = progress.usage(self.admitted.output_tokens)
        now = self.ledger.clock()
        try:
            gate = self._settle(usage)
        except Unavailable:
            logger().error("%s is left to its reclaim", self.visitor.generation_id)
            return self.admitted.gate, usage
        try:
            if progress.pieces:
                self._keep(progress, now)
            if gate is not None:
                reclaim_dead_holds(self.ledger.table, self.ledger.catalogue, gate, now)
        except Unavailable:
            logger().error("%s is settled, what it said is not kept", self.visitor.generation_id)
        return gate or self.admitted.gate, usage

    def _settle(self, usage: Usage) -> Gate | None:
        """Twice where it must: repeating it changes nothing, and a reclaim knows less."""
        try:
            return self._settle_once(usage)
        except Unavailable:
            time.sleep(_SETTLE_AGAIN_SECONDS)
            return self._settle_once(usage)

    def _settle_once(self, usage: Usage) -> Gate | None:
        return settle(
            self.ledger.table,
            self.ledger.catalogue,
            self.visitor.account_id,
            self.visitor.generation_id,
            self.admitted.hold,
            usage,
            self.ledger.clock(),
        )

    def _keep(self, progress: Progress, now: datetime) -> None:
        order = self.order
        exchange = Exchange(
            conversation_id=order.conversation_id,
            blueprint=order.blueprint.slug,
            model=order.alias,
            question_id=order.question_id,
            question=order.question,
            answer_id=self.answer_id,
            answer=progress.text,
            replaced=self.replaced,
        )
        member = Member(self.visitor.account_id, self.visitor.user_id)
        Conversations(self.ledger.table).keep(member, exchange, now)

    async def _close(self, progress: Progress, gate: Gate, usage: Usage, parts: Parts) -> None:
        if progress.failed is not None:
            tail = ui_stream.error(str(progress.failed))
        else:
            now = self.ledger.clock()
            finish = ui_stream.finish(
                progress.finished.reason if progress.finished else "other",
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                estimated=usage.estimated,
                day_left=gate.day_left(now),
                month_left=gate.month_left(now),
            )
            tail = ui_stream.TEXT_END + ui_stream.FINISH_STEP + finish
        with suppress(anyio.BrokenResourceError):
            await parts.send(tail + ui_stream.DONE)


async def _deliver(part: bytes, parts: Parts) -> None:
    """At once where there is room: a cut must not fall between counting a text and sending it."""
    try:
        parts.send_nowait(part)
    except anyio.WouldBlock:
        await parts.send(part)
