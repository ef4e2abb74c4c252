"""A notice becomes an e-mail, once: whoever comes again finds it marked as sent.

The mark follows the e-mail, because a mark before it would lose the e-mail with a crash between the
two. So each crash there, and each answer of SES that is lost, sends the same e-mail once more.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tollgate.logs import raise_alarm
from tollgate.notices.mail import Mail, MailRefused
from tollgate.notices.records import Notice
from tollgate.notices.texts import Unworded, compose
from tollgate.table.client import ConditionFailed, Table, Update
from tollgate.table.keys import Key


@dataclass(frozen=True, slots=True)
class Post:
    """What sending takes; `home` is the Studio's address."""

    table: Table
    mail: Mail
    home: str
    clock: Callable[[], datetime]


def send_notice(post: Post, key: Key) -> None:
    """What has no words, or is refused by SES for good, stays unsent, with an alarm: delivered
    again it would fare no better, and whatever follows would wait for it. Errors: `Unavailable`.
    """
    notice = Notice.read(post.table.get(key), post.clock())
    if notice is None or notice.sent_at is not None:
        return
    try:
        post.mail.send(compose(notice.kind, notice.to, notice.data, post.home))
    except (Unworded, MailRefused) as why:
        raise_alarm("unsent_notice", pk=key.pk, sk=key.sk, why=str(why))
        return
    with suppress(ConditionFailed):  # an overlapping delivery has marked it
        notice.sent_at = post.clock()
        post.table.update(key, _mark(notice))


def _mark(notice: Notice) -> Update:
    """It takes the place of the address and the words, which nobody needs any more."""
    return Update(
        "SET #sent_at = :now REMOVE #to, #data",
        {name: name[1:] for name in ("#sent_at", "#to", "#data")},
        {":now": notice.serialize()["sent_at"]},
        "attribute_not_exists(#sent_at)",
    )
