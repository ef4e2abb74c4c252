"""What is told is told once: by a real SES client, over HTTP, to a mailbox that can say no."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.send_notices.app import build
from local.stream import Stream, matches
from local.template import load
from tests.integration.mailbox import WORDS, RunningMailbox, inserted, running_mailbox
from tests.integration.sign_in_service import Clock
from tollgate.notices.records import Notice, notice
from tollgate.notices.send_notice import Post
from tollgate.table import keys
from tollgate.table.client import Table

Event = dict[str, Any]
HOME = "https://example.com/"


class Crash(Exception):
    """The process ended here."""


@pytest.fixture
def mailbox() -> Iterator[RunningMailbox]:
    with running_mailbox() as running:
        yield running


@pytest.fixture
def post(table: Table, mailbox: RunningMailbox) -> Post:
    return Post(table, mailbox.mail(), HOME, Clock())


def told(
    post: Post, dedupe: str = "x", to: str = "ada@example.com", kind: str = "payment_failed"
) -> Notice:
    """A notice that billing has put."""
    put = notice("acc_1", kind, dedupe, to, WORDS, post.clock())
    post.table.put(put.serialize())
    return put


def delivered(post: Post, *notices: Notice) -> list[str]:
    """The sequence numbers to begin again from."""
    answer = build(post)(inserted(*notices), None)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_a_notice_is_one_email_however_often_it_is_delivered(
    post: Post, mailbox: RunningMailbox
) -> None:
    one, other = told(post, "x"), told(post, "y")
    for _ in range(3):
        assert delivered(post, one, other, one) == []
    first, second = mailbox.messages()
    assert first["subject"] == second["subject"] == "Your payment for Pro did not go through"
    assert (first["to"], first["from"]) == ("ada@example.com", "billing@example.com")
    assert "until 28 November 2026" in first["text"]
    assert "until 28 November 2026" in first["html"]


def test_what_is_sent_keeps_neither_address_nor_name(post: Post, table: Table) -> None:
    put = told(post)
    delivered(post, put)
    item = table.get(keys.notice("acc_1", "payment_failed", "x")) or {}
    assert set(item) == {"pk", "sk", "account_id", "kind", "created_at", "sent_at"}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "TooManyRequestsException"),
        (400, "SendingPausedException"),
        (400, "MailFromDomainNotVerifiedException"),
        (500, "InternalFailure"),
    ],
)
def test_what_ses_cannot_take_now_is_sent_when_it_can(
    post: Post, mailbox: RunningMailbox, status: int, code: str
) -> None:
    first, second = told(post, "x"), told(post, "y")
    mailbox.fail(code, status=status)
    assert delivered(post, first, second) == ["100"]
    assert mailbox.messages() == []
    assert delivered(post, first, second) == []
    assert len(mailbox.messages()) == 2


def test_an_identity_that_is_not_verified_yet_loses_no_notice(
    post: Post, mailbox: RunningMailbox
) -> None:
    """SES rejects the e-mail then, by the code for one that it will never take."""
    first, second = told(post, "x"), told(post, "y")
    mailbox.fail("MessageRejected", message="Email address is not verified. billing@example.com")
    assert delivered(post, first, second) == ["100"]
    mailbox.fail("MessageRejected", message="The message has a virus.")
    assert delivered(post, first, second) == []
    assert len(mailbox.messages()) == 1


@pytest.mark.parametrize("broken", [{"to": "nobody"}, {"kind": "of_another_release"}])
def test_what_can_never_be_sent_holds_nobody_up(
    post: Post, mailbox: RunningMailbox, caplog: pytest.LogCaptureFixture, broken: dict[str, str]
) -> None:
    never, sound = told(post, "x", **broken), told(post, "y")
    assert delivered(post, never, sound) == []
    assert [each["to"] for each in mailbox.messages()] == ["ada@example.com"]
    assert caplog.messages.count("unsent_notice") == 1
    assert "nobody" not in caplog.text


def test_a_crash_before_the_mark_sends_once_more_and_never_less(
    post: Post, mailbox: RunningMailbox, dynamodb: Any
) -> None:
    """The one gap there is lies between SES's yes and our note of it."""
    put = told(post)

    def crash(**_: object) -> None:
        raise Crash

    dynamodb.meta.events.register("before-send.dynamodb.UpdateItem", crash)
    with pytest.raises(Crash):
        delivered(post, put)
    dynamodb.meta.events.unregister("before-send.dynamodb.UpdateItem", crash)
    for _ in range(2):
        assert delivered(post, put) == []
    assert len(mailbox.messages()) == 2


def test_a_mail_service_out_of_reach_is_waited_for(
    post: Post, mailbox: RunningMailbox, table: Table
) -> None:
    put = told(post)
    with running_mailbox() as gone:
        away = Post(table, gone.mail(), HOME, post.clock)
    assert delivered(away, put) == ["100"]
    assert delivered(post, put) == []
    assert len(mailbox.messages()) == 1


def test_the_laptops_stream_brings_a_new_notice_and_no_mark(
    post: Post,
    mailbox: RunningMailbox,
    dynamodb: Any,
    table_name: str,
    engine_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dynamodb.update_table(TableName=table_name, **load().stream())
    for name, value in _environ(engine_url).items():
        monkeypatch.setenv(name, value)
    seen: list[Event] = []

    def send(event: Event, context: object) -> Event:
        seen.extend(event["Records"])
        return build(post)(event, context)

    stream = Stream(table_name, load().pattern("send_notices"), send)
    told(post)
    for _ in range(3):
        stream.poll()
    assert (len(seen), len(mailbox.messages())) == (1, 1)


def test_the_feed_takes_nothing_but_notices() -> None:
    pattern = load().pattern("send_notices")
    record: Event = inserted(notice("acc_1", "recovered", "x", "a@b.c", WORDS, Clock()()))
    [new] = record["Records"]
    assert matches(pattern, new)
    assert not matches(pattern, {**new, "eventName": "MODIFY"})
    receipt = {"Keys": {"pk": {"S": "ACCOUNT#a"}, "sk": {"S": "RECEIPT#g"}}}
    assert not matches(pattern, {**new, "dynamodb": receipt})


def _environ(engine_url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_DYNAMODB": engine_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
