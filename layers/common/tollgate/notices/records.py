"""What is to be told to a person: an outbox item, written with the change that it tells of."""

from collections.abc import Mapping
from datetime import datetime

from pynamodb.attributes import JSONAttribute, UnicodeAttribute, UTCDateTimeAttribute

from tollgate.table import keys
from tollgate.table.record import Record


class Notice(Record):
    """`data` are the words that the text of its `kind` wants (`tollgate.notices.texts`).

    It stays for ever, without address and words once it is sent (`sent_at`): it is the proof that
    the same is not told twice.
    """

    account_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    to = UnicodeAttribute(null=True)
    data = JSONAttribute(null=True)
    created_at = UTCDateTimeAttribute()
    sent_at = UTCDateTimeAttribute(null=True)


def notice(
    account_id: str, kind: str, dedupe: str, to: str, data: Mapping[str, str], now: datetime
) -> Notice:
    """`dedupe` names the fact, so that one account is told of it once."""
    return Notice.new(
        keys.notice(account_id, kind, dedupe),
        account_id=account_id,
        kind=kind,
        to=to,
        data=dict(data),
        created_at=now,
    )
