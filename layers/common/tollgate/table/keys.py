"""Every key of the one table, so that no other module builds one by hand.

Items of one tenant begin with that tenant's partition, which is what the roles'
`dynamodb:LeadingKeys` rely on.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Key(NamedTuple):
    pk: str
    sk: str


def user(user_id: str) -> Key:
    return Key(f"USER#{user_id}", "PROFILE")


def user_membership(user_id: str, account_id: str) -> Key:
    return Key(f"USER#{user_id}", f"MEMBERSHIP#{account_id}")


def identity(provider: str, subject: str) -> Key:
    return Key(f"IDENTITY#{provider}#{subject}", "IDENTITY")


def email(normalised: str) -> Key:
    return Key(f"EMAIL#{normalised}", "EMAIL")


def login(state_hash: str) -> Key:
    return Key(f"LOGIN#{state_hash}", "LOGIN")


def account(account_id: str) -> Key:
    return Key(f"ACCOUNT#{account_id}", "ACCOUNT")


def member(account_id: str, user_id: str) -> Key:
    return Key(f"ACCOUNT#{account_id}", f"MEMBER#{user_id}")


def gate(account_id: str) -> Key:
    return Key(f"ACCOUNT#{account_id}", "GATE")


def account_of(item: Mapping[str, Mapping[str, Any]]) -> str:
    """Whose item of an account's own partition this is."""
    account_id: str = item["pk"]["S"].removeprefix("ACCOUNT#")
    return account_id


def closed_period(account_id: str, start: str) -> Key:
    return Key(f"ACCOUNT#{account_id}", f"PERIOD#{start}")


def sold(account_id: str, start: str) -> Key:
    """How much of a period's overage its receipts stand for."""
    return Key(f"ACCOUNT#{account_id}", f"SOLD#{start}")


def receipt(account_id: str, generation_id: str) -> Key:
    return Key(f"ACCOUNT#{account_id}", f"RECEIPT#{generation_id}")


def usage_day(account_id: str, day: str, user_id: str, model: str) -> Key:
    return Key(f"ACCOUNT#{account_id}", f"USAGE#{day}#{user_id}#{model}")


def conversation(account_id: str, user_id: str, conversation_id: str) -> Key:
    return Key(f"ACCOUNT#{account_id}#USER#{user_id}", f"CONVERSATION#{conversation_id}")


def message(account_id: str, user_id: str, conversation_id: str, order: str) -> Key:
    return Key(
        f"ACCOUNT#{account_id}#USER#{user_id}#CONVERSATION#{conversation_id}", f"MESSAGE#{order}"
    )


def customer(customer_id: str) -> Key:
    return Key(f"CUSTOMER#{customer_id}", "CUSTOMER")


def customer_of(item: Mapping[str, Mapping[str, Any]]) -> str:
    customer_id: str = item["pk"]["S"].removeprefix("CUSTOMER#")
    return customer_id


def checkout(account_id: str) -> Key:
    """The one that is open, or being opened."""
    return Key(f"ACCOUNT#{account_id}", "CHECKOUT")


def trial(kind: str, value: str) -> Key:
    """Who has had a trial, by account, e-mail address or payment method."""
    return Key(f"TRIAL#{kind}#{value}", "TRIAL")


def notice(account_id: str, kind: str, dedupe: str) -> Key:
    return Key(f"NOTICE#{account_id}", f"{kind}#{dedupe}")


def stripe_event(event_id: str) -> Key:
    return Key(f"EVENT#stripe#{event_id}", "EVENT")


def spend_shard(day: str, number: int) -> Key:
    return Key(f"SPEND#{day}", f"SHARD#{number}")


def spend_switch(day: str) -> Key:
    return Key(f"SPEND#{day}", "SWITCH")


def spend_mark(stream_shard_id: str) -> Key:
    """How far one shard of the table's stream is counted."""
    return Key(f"SPEND#STREAM#{stream_shard_id}", "MARK")


def idempotency(account_id: str, route: str, key: str) -> Key:
    return Key(f"IDEMPOTENCY#{account_id}#{route}#{key}", "KEY")


def reset_progress() -> Key:
    return Key("RESET#", "PROGRESS")


def reset_left(account_id: str) -> Key:
    """Stands for an account whose periods could not be closed."""
    return Key("RESET#", f"LEFT#{account_id}")


def reconcile_progress() -> Key:
    return Key("RECONCILE#", "PROGRESS")


def audit(account_id: str, at: str) -> Key:
    """What a reconciliation has put right."""
    return Key(f"ACCOUNT#{account_id}", f"AUDIT#{at}")


def health() -> Key:
    """Never written: reading it proves that the table answers."""
    return Key("HEALTH#", "HEALTH")
