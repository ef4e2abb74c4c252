"""L3, L5 and P4: wherever and by whomever a stream is cut, what was delivered is what it costs."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ReadTimeoutError

from tests.integration.sign_in_service import CATALOGUE, profile, signed_in
from tests.stand_ins import stand_in
from tollgate.generation.conversations import Conversations, Member
from tollgate.generation.generate import Generate, Generation, NotOpened
from tollgate.generation.order import Body, order
from tollgate.generation.prompt import tokens_about
from tollgate.generation.providers import Providers
from tollgate.generation.relay import Ledger
from tollgate.quota.admission import Admission, Demand, Hint, Visitor
from tollgate.quota.gate import Gate
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.records import Receipt
from tollgate.quota.stop import stop
from tollgate.table import keys
from tollgate.table.client import Table

WORDS = 9
EVERY_CHUNK = range(1, WORDS + 1)
_PATIENT_SECONDS = 60.0
_numbers = count(1)

each_model = pytest.mark.parametrize("model", ["gpt", "claude"])
Texts = list[str]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stand_in("local.models", tmp_path_factory.mktemp("models")) as address:
        yield address


@dataclass
class House:
    """Generations of people who are new each time, over one table and one provider."""

    table: Table
    providers: Providers
    generate: Generate = field(init=False)

    def __post_init__(self) -> None:
        admission = Admission(self.table, CATALOGUE, now, lambda _: None)
        self.generate = Generate(Ledger(self.table, CATALOGUE, now), admission, self.providers)

    async def start(
        self, visitor: Visitor, hint: Hint, model: str, words: int, seconds: float
    ) -> Generation:
        body = Body(input=f"in {words} words", blueprint="summary", model=model)
        return await self.generate.start(visitor, hint, order(body, CATALOGUE), seconds)

    async def settled(self) -> None:
        await asyncio.gather(*self.generate.running)

    def newcomer(self) -> tuple[Visitor, Hint]:
        number = next(_numbers)
        session = signed_in(self.table, profile(f"cut{number}", f"cut{number}@example.com"))
        visitor = Visitor(session.account, session.user, session.id, f"gen_{number:020x}")
        return visitor, Hint(session.plan, session.anchor, session.version)

    def gate(self, visitor: Visitor) -> Gate:
        item = self.table.get(keys.gate(visitor.account_id))
        assert item is not None
        return Gate.of(item)

    def receipt(self, visitor: Visitor) -> Receipt:
        """The gate has followed it."""
        item = self.table.get(keys.receipt(visitor.account_id, visitor.generation_id))
        assert item is not None
        found = Receipt.from_raw_data(dict(item))
        gate = self.gate(visitor)
        assert dict(gate.open) == {}
        assert sum(gate.used.values()) == found.input_tokens + found.output_tokens
        return found

    def kept(self, visitor: Visitor) -> Texts:
        """The answer in the conversation, by the word, as the stand-in sent it."""
        conversations = Conversations(self.table)
        member = Member(visitor.account_id, visitor.user_id)
        [conversation] = conversations.newest_first(member, now())
        messages, _ = conversations.messages(member, conversation.id, now(), before=None, limit=1)
        first, *others = messages[0].text.split(" ")
        return [first, *(f" {each}" for each in others)]


def now() -> datetime:
    return datetime.now(UTC)


def run(table: Table, url: str, use: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    """Each model has a key, and so may stand in for the other."""

    async def main() -> None:
        providers = Providers(
            openai_key="sk-test",
            anthropic_key="sk-ant-test",
            openai_base_url=f"{url}/v1",
            anthropic_base_url=f"{url}/anthropic",
        )
        for each in ("openai", "anthropic"):
            providers.preload(each)  # importing an SDK is no part of any wait
        try:
            await use(House(table, providers))
        finally:
            await providers.aclose()

    asyncio.run(main())


def expect(models: str, *faults: dict[str, Any]) -> None:
    httpx2.post(f"{models}/faults", json=faults).raise_for_status()


async def parts(generation: Generation) -> AsyncIterator[dict[str, Any]]:
    """Every part; the last is `{"type": "done"}`."""
    async for sent in generation.parts:
        for line in sent.decode().splitlines():
            if line == "data: [DONE]":
                yield {"type": "done"}
            elif line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


async def read(generation: Generation) -> tuple[Texts, list[str]]:
    """The pieces of text, and the kinds of all other parts."""
    texts, kinds = [], []
    async with generation.parts:
        async for part in parts(generation):
            if part["type"] == "text-delta":
                texts.append(part["delta"])
            else:
                kinds.append(part["type"])
    return texts, kinds


def price(texts: Texts) -> int:
    return sum(tokens_about(text) for text in texts)


@each_model
def test_a_provider_that_breaks_off_at_any_chunk_is_paid_for_what_came(
    table: Table, models: str, model: str
) -> None:
    async def use(house: House) -> None:
        for chunk in EVERY_CHUNK:
            expect(models, {"cut_after": chunk} if chunk < WORDS else {"end_after": chunk})
            visitor, hint = house.newcomer()
            generation = await house.start(visitor, hint, model, WORDS, _PATIENT_SECONDS)
            texts, kinds = await read(generation)
            await house.settled()
            decided = house.receipt(visitor)
            if chunk < WORDS:
                assert len(texts) == chunk
                assert kinds[-2:] == ["error", "done"]
                assert (decided.outcome, decided.estimated) == ("stopped", True)
                assert decided.output_tokens == price(texts)
            else:
                assert (decided.outcome, decided.output_tokens) == ("finished", WORDS)
            expect(models)

    run(table, models, use)


@each_model
def test_providers_that_break_off_before_the_first_word_cost_nothing(
    table: Table, models: str, model: str
) -> None:
    async def use(house: House) -> None:
        expect(models, {"cut_after": 0}, {"cut_after": 0})
        visitor, hint = house.newcomer()
        with pytest.raises(NotOpened):
            await house.start(visitor, hint, model, WORDS, _PATIENT_SECONDS)
        decided = house.receipt(visitor)
        assert (decided.outcome, decided.cost) == ("failed", 0)

    run(table, models, use)


@each_model
def test_a_client_that_leaves_at_any_chunk_pays_for_what_was_read_for_it(
    table: Table, models: str, model: str
) -> None:
    async def leave_at(house: House, chunk: int) -> None:
        visitor, hint = house.newcomer()
        generation = await house.start(visitor, hint, model, WORDS, _PATIENT_SECONDS)
        texts: Texts = []
        async with generation.parts:
            async for part in parts(generation):
                texts += [part["delta"]] if part["type"] == "text-delta" else []
                if len(texts) == chunk:
                    break
        await house.settled()
        decided, kept = house.receipt(visitor), house.kept(visitor)
        assert kept[:chunk] == texts
        assert len(kept) <= chunk + 1, "the model was read on for nobody"
        if decided.outcome == "stopped":
            assert decided.output_tokens == price(kept)
        else:
            assert (decided.outcome, decided.output_tokens) == ("finished", WORDS)

    async def use(house: House) -> None:
        expect(models, *[{"delay_ms": 200}] * WORDS)
        await asyncio.gather(*(leave_at(house, chunk) for chunk in EVERY_CHUNK))

    run(table, models, use)


@each_model
def test_a_deadline_at_any_chunk_ends_the_stream_properly_and_costs_what_came(
    table: Table, models: str, model: str
) -> None:
    delivered: set[int] = set()

    async def run_out_at(house: House, chunk: int) -> None:
        visitor, hint = house.newcomer()
        seconds = 1 + chunk * 0.1
        began = time.monotonic()
        generation = await house.start(visitor, hint, model, 400, seconds)
        texts, kinds = await read(generation)
        assert time.monotonic() - began < seconds + 1
        await house.settled()
        decided = house.receipt(visitor)
        delivered.add(len(texts))
        assert kinds == [
            *("start", "start-step", "text-start"),
            *("text-end", "finish-step", "finish", "done"),
        ]
        assert decided.output_tokens == price(texts)
        assert decided.outcome == "stopped"

    async def use(house: House) -> None:
        expect(models, *[{"delay_ms": 10}] * WORDS)
        await asyncio.gather(*(run_out_at(house, chunk) for chunk in EVERY_CHUNK))

    run(table, models, use)
    assert len(delivered) > 4, "the deadlines did not fall at different chunks"


@dataclass
class Silent:
    """A provider that takes every request and says nothing."""

    url: str = ""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.set()
        while await reader.read(65536):
            continue
        self.hung_up.set()
        writer.close()


@asynccontextmanager
async def opening(table: Table) -> AsyncIterator[tuple[House, Silent]]:
    silent = Silent()
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    providers = Providers(openai_key="sk-test", openai_base_url=silent.url)
    providers.preload("openai")  # importing the SDK is no part of the wait
    try:
        yield House(table, providers), silent
    finally:
        await providers.aclose()
        server.close()


def test_a_deadline_before_the_first_word_gives_everything_back(table: Table) -> None:
    async def main() -> None:
        async with opening(table) as (house, silent):
            visitor, hint = house.newcomer()
            began = time.monotonic()
            with pytest.raises(NotOpened):
                await house.start(visitor, hint, "gpt", WORDS, 0.5)
            assert time.monotonic() - began < 1.5
            await asyncio.wait_for(silent.hung_up.wait(), 1)
            assert house.receipt(visitor).outcome == "failed"
            assert sum(house.gate(visitor).days.values()) == 0

    asyncio.run(main())


def test_a_stop_before_the_first_word_hangs_up_within_two_seconds(table: Table) -> None:
    async def main() -> None:
        async with opening(table) as (house, silent):
            visitor, hint = house.newcomer()
            starting = asyncio.create_task(
                house.start(visitor, hint, "gpt", WORDS, _PATIENT_SECONDS)
            )
            await silent.connected.wait()
            assert await asyncio.to_thread(stop, table, visitor, now())
            await asyncio.wait_for(silent.hung_up.wait(), 2)
            texts, kinds = await read(await starting)
            await house.settled()
            assert (texts, kinds[-2:]) == ([], ["finish", "done"])
            decided = house.receipt(visitor)
            assert (decided.outcome, decided.output_tokens) == ("stopped", 0)
            assert decided.input_tokens > 0, "who stops early could ask for ever"

    asyncio.run(main())


def test_a_reader_that_leaves_before_the_first_word_costs_its_input(table: Table) -> None:
    async def main() -> None:
        async with opening(table) as (house, silent):
            visitor, hint = house.newcomer()
            body = Body(input="in 9 words", blueprint="summary", model="gpt")
            generation = await house.generate.start(
                visitor, hint, order(body, CATALOGUE), _PATIENT_SECONDS, silent.connected.wait
            )
            await asyncio.wait_for(silent.hung_up.wait(), 2)
            texts, _ = await read(generation)
            await house.settled()
            decided = house.receipt(visitor)
            assert (texts, decided.outcome, decided.output_tokens) == ([], "stopped", 0)
            assert decided.input_tokens > 0

    asyncio.run(main())


def test_what_the_dead_have_left_is_settled_by_the_next_that_is_done(
    table: Table, models: str
) -> None:
    def ten_minutes_ago() -> datetime:
        return now() - timedelta(minutes=10)

    async def use(house: House) -> None:
        visitor, hint = house.newcomer()
        dead = replace(visitor, generation_id="gen_dead")
        wanted = Demand(input_tokens=40, output_tokens=60, model="gpt-6-luna")
        Admission(table, CATALOGUE, ten_minutes_ago, lambda _: None).admit(
            dead, hint, lambda _: wanted
        )
        await read(await house.start(visitor, hint, "gpt", 3, _PATIENT_SECONDS))
        await house.settled()
        assert dict(house.gate(visitor).open) == {}
        item = table.get(keys.receipt(dead.account_id, "gen_dead"))
        assert item is not None
        assert item["outcome"]["S"] == "reclaimed"

    run(table, models, use)


def test_a_relay_whose_hold_was_reclaimed_reads_no_further(table: Table, models: str) -> None:
    async def use(house: House) -> None:
        expect(models, {"delay_ms": 50})
        visitor, hint = house.newcomer()
        generation = await house.start(visitor, hint, "gpt", 300, _PATIENT_SECONDS)
        late = now() + timedelta(hours=1)
        assert reclaim_dead_holds(table, CATALOGUE, house.gate(visitor), late) == 1
        began = time.monotonic()
        texts, kinds = await read(generation)
        await house.settled()
        assert time.monotonic() - began < 2
        assert 0 < len(texts) < 60
        assert kinds[-2:] == ["finish", "done"]

    run(table, models, use)


class Mute:
    """DynamoDB's client, whose reads get no answer once `reads` counts."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.reads: int | None = None

    def get_item(self, **arguments: Any) -> Any:
        if self.reads is None:
            return self._client.get_item(**arguments)
        self.reads += 1
        raise ReadTimeoutError(endpoint_url="the engine")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_hold_that_cannot_be_read_is_no_reason_to_stop(
    dynamodb: Any, table_name: str, models: str
) -> None:
    mute = Mute(dynamodb)

    async def use(house: House) -> None:
        expect(models, {"delay_ms": 100})
        visitor, hint = house.newcomer()
        mute.reads = 0
        texts, _ = await read(await house.start(visitor, hint, "gpt", 15, _PATIENT_SECONDS))
        await house.settled()
        assert len(texts) == 15
        assert mute.reads, "the hold was never read"
        mute.reads = None
        assert house.receipt(visitor).outcome == "finished"

    run(Table(mute, table_name), models, use)


class Stumbling:
    """DynamoDB's client, whose next `faults` transactions get no answer and are not written."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.faults = 0

    def transact_write_items(self, **arguments: Any) -> Any:
        if self.faults:
            self.faults -= 1
            raise ReadTimeoutError(endpoint_url="the engine")
        return self._client.transact_write_items(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_settlement_that_met_a_fault_is_tried_again(
    dynamodb: Any, table_name: str, models: str
) -> None:
    stumbling = Stumbling(dynamodb)

    async def use(house: House) -> None:
        visitor, hint = house.newcomer()
        generation = await house.start(visitor, hint, "gpt", 3, _PATIENT_SECONDS)
        stumbling.faults = 1
        await read(generation)
        await house.settled()
        assert (stumbling.faults, house.receipt(visitor).outcome) == (0, "finished")

    run(Table(stumbling, table_name), models, use)
