"""A3, A9, A12: what a sign-in writes, on a real engine, alone and with others at once."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier
from typing import Any

import httpx2
import pytest

from tests.integration.conftest import Dump
from tests.integration.sign_in_service import (
    CALLBACK,
    CATALOGUE,
    ORIGIN,
    Service,
    profile,
    running_service,
    sessions_of,
    signed_in,
)
from tollgate.identity.attempt import begin
from tollgate.identity.linking import Profile
from tollgate.identity.refusals import AccountExists, LoginFailed
from tollgate.identity.session import Session
from tollgate.identity.sign_in import sign_in
from tollgate.table import keys
from tollgate.table.client import Item, Table
from tollgate.tenancy import gate


@pytest.fixture
def service(table: Table) -> Iterator[Service]:
    with running_service(table) as running:
        yield running


def test_the_first_sign_in_makes_a_person_with_everything(service: Service, dump: Dump) -> None:
    answer = service.browser().sign_in(email="Ada@Example.com")
    assert answer.status_code == 302
    assert answer.headers["location"] == f"{ORIGIN}/"
    kinds = [f"{item['pk']['S'].split('#')[0]}/{item['sk']['S'].split('#')[0]}" for item in dump()]
    assert sorted(kinds) == [
        "ACCOUNT/ACCOUNT",
        "ACCOUNT/GATE",
        "ACCOUNT/MEMBER",
        "EMAIL/EMAIL",
        "IDENTITY/IDENTITY",
        "LOGIN/LOGIN",
        "USER/MEMBERSHIP",
        "USER/PROFILE",
    ]
    assert service.table.get(keys.email("ada@example.com"))


def test_the_new_gate_has_the_lowest_plans_limits_and_the_session(service: Service) -> None:
    browser = service.browser()
    browser.sign_in()
    session = browser.session
    assert session is not None
    tenant = gate.read(service.table, session.account)
    assert tenant is not None
    assert tenant.limits == gate.Limits.of(CATALOGUE.lowest, gate.CALENDAR)
    assert set(tenant.sessions) == {session.id}
    assert (session.plan, session.anchor, session.version) == ("free", "calendar", 1)


def test_the_same_subject_is_the_same_user_for_ever(service: Service) -> None:
    first, second = service.browser(), service.browser()
    first.sign_in()
    second.sign_in(email="ada@new.example", name="Ada L.")
    assert first.session is not None
    assert second.session is not None
    assert first.session.user == second.session.user
    assert first.session.id != second.session.id
    assert sessions_of(service.table, first.session) == {first.session.id, second.session.id}


def test_each_sign_in_of_one_browser_has_a_new_session_id(service: Service) -> None:
    browser = service.browser()
    seen = set()
    for _ in range(3):
        browser.sign_in()
        assert browser.session is not None
        seen.add(browser.session.id)
    assert len(seen) == 3


def test_an_unverified_address_is_a_user_without_a_claim(service: Service) -> None:
    assert service.browser().sign_in(email_verified=False).status_code == 302
    assert service.table.get(keys.email("ada@example.com")) is None


def test_two_providers_subjects_of_one_name_are_two_people(table: Table) -> None:
    ada = signed_in(table, profile())
    other = signed_in(table, Profile("google", "s1", "bob@example.com", True, "Bob", None))
    assert ada.user != other.user


def test_anothers_verified_address_is_refused_and_nothing_is_written(
    service: Service, dump: Dump
) -> None:
    service.browser().sign_in(sub="s1")
    before, browser = dump(), service.browser()
    answer = browser.sign_in(sub="s2", email="ADA@example.com")
    assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
    assert browser.session is None
    assert dump() == before


def test_an_unverified_address_neither_links_nor_blocks(table: Table) -> None:
    squatter = signed_in(table, profile("s1", verified=False))
    owner = signed_in(table, profile("s2", verified=True))
    stranger = signed_in(table, profile("s3", verified=False))
    assert len({squatter.user, owner.user, stranger.user}) == 3


def test_one_answer_in_twenty_callbacks_makes_one_session(service: Service, dump: Dump) -> None:
    """A3: the provider lets the code through every time, so only our own write is in the way."""
    browser = service.browser()
    answer = service.provider.answer(browser.start())

    async def all_at_once() -> list[httpx2.Response]:
        callbacks = (browser.send("GET", CALLBACK, query=answer) for _ in range(20))
        return await asyncio.gather(*callbacks)

    answers = asyncio.run(all_at_once())
    assert [each.status_code for each in answers].count(302) == 1
    refused = [each.json()["reason"] for each in answers if each.status_code == 400]
    assert set(refused) <= {"state_reused", "attempt_missing"}
    assert len(refused) == 19
    gates = [item for item in dump() if item["sk"]["S"] == "GATE"]
    assert [len(each["sessions"]["M"]) for each in gates] == [1]


def test_a_state_works_once_even_for_a_copied_attempt(table: Table, dump: Dump) -> None:
    now = datetime.now(UTC)
    attempt = begin("scripted", "/", now)
    sign_in(table, attempt, profile(), CATALOGUE.lowest, now)
    before = dump()
    for who in (profile(), profile("s2", "bob@example.com")):
        with pytest.raises(LoginFailed, match="state_reused"):
            sign_in(table, attempt, who, CATALOGUE.lowest, now)
    assert dump() == before


class Together(Table):
    """The worst timing, every time: the first readers of such items go on when all have read."""

    def __init__(self, client: Any, name: str, sort_key: str, readers: int) -> None:
        super().__init__(client, name)
        self._sort_key, self._readers, self._reads = sort_key, readers, count()
        self._barrier = Barrier(readers, timeout=10)

    def get(self, key: keys.Key) -> Item | None:
        item = super().get(key)
        if key.sk == self._sort_key and next(self._reads) < self._readers:
            self._barrier.wait()
        return item


Meet = Callable[[str, int], Table]


@pytest.fixture
def meet(dynamodb: Any, table_name: str) -> Meet:
    return lambda sort_key, readers: Together(dynamodb, table_name, sort_key, readers)


def _at_once(work: Callable[[int], Session | None], times: int) -> list[Session]:
    async def all_at_once() -> list[Session | None]:
        return await asyncio.gather(*(asyncio.to_thread(work, each) for each in range(times)))

    return [each for each in asyncio.run(all_at_once()) if each is not None]


@pytest.mark.parametrize("verified", [True, False])
def test_first_sign_ins_of_one_subject_at_once_make_one_user(
    meet: Meet, dump: Dump, verified: bool
) -> None:
    table = meet("IDENTITY", 4)
    sessions = _at_once(lambda _: signed_in(table, profile(verified=verified)), 4)
    assert len({each.user for each in sessions}) == 1
    assert sessions_of(table, sessions[0]) == {each.id for each in sessions}
    assert len([item for item in dump() if item["sk"]["S"] == "PROFILE"]) == 1


def test_first_sign_ins_of_two_subjects_with_one_address_make_one_user(meet: Meet) -> None:
    table = meet("IDENTITY", 2)

    def one(place: int) -> Session | None:
        try:
            return signed_in(table, profile(f"s{place}"))
        except AccountExists:
            return None

    assert len(_at_once(one, 2)) == 1


def test_sign_ins_of_a_known_user_at_once_all_stand(table: Table, meet: Meet) -> None:
    first = signed_in(table, profile())
    together = meet("GATE", 4)
    sessions = _at_once(lambda _: signed_in(together, profile()), 4)
    assert sessions_of(table, first) == {first.id, *(each.id for each in sessions)}


def test_the_eleventh_session_ends_the_oldest(table: Table) -> None:
    begun = datetime.now(UTC)
    sessions = [signed_in(table, profile(), begun + timedelta(minutes=each)) for each in range(11)]
    assert sessions_of(table, sessions[0]) == {each.id for each in sessions[1:]}


def test_ended_sessions_make_room_first(table: Table) -> None:
    begun = datetime.now(UTC)
    old = signed_in(table, profile(), begun)
    late = begun + timedelta(days=30)
    new = [signed_in(table, profile(), late + timedelta(minutes=each)) for each in range(2)]
    assert sessions_of(table, old) == {each.id for each in new}


@pytest.mark.parametrize("standing", [9, 10])
def test_sign_ins_at_once_never_leave_eleven_sessions(
    table: Table, meet: Meet, standing: int
) -> None:
    """Two that read the same ten would replace the same one: the second must look again."""
    begun = datetime.now(UTC)
    for minute in range(standing):
        signed_in(table, profile(), begun + timedelta(minutes=minute))
    together = meet("GATE", 3)
    late = _at_once(lambda _: signed_in(together, profile(), begun + timedelta(hours=1)), 3)
    standing_now = sessions_of(table, late[0])
    assert len(standing_now) == 10
    assert standing_now > {each.id for each in late}
