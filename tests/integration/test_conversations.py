"""Conversations on the engine, where a process may die between two writes."""

from datetime import UTC, datetime

from tollgate.generation.conversations import Conversations, Exchange, Member
from tollgate.table import keys
from tollgate.table.client import Table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MEMBER = Member("acc_1", "usr_1")
EXCHANGE = Exchange("c1", "summary", "gpt", "m1", "a question", "m2", "an answer", ())


def test_messages_that_an_interrupted_deletion_left_go_with_the_next(table: Table) -> None:
    """Or they would come back with the next conversation of that id."""
    conversations = Conversations(table)
    conversations.keep(MEMBER, EXCHANGE, NOW)
    table.delete(keys.conversation("acc_1", "usr_1", "c1"))

    assert conversations.delete(MEMBER, "c1") is False

    assert conversations.before(MEMBER, "c1", "m3", NOW).turns == ()
