"""A notice goes in the transaction of what it tells of, and whoever puts it moves the fence.

So one that was absent when it was looked for, after the projection was read, is absent still where
the fence holds; a condition of its own would take the whole transaction down with a notice that
somebody has put already.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.notices.records import notice
from tollgate.table import keys
from tollgate.table.client import Action, Table, put

if TYPE_CHECKING:
    from tollgate.billing.tellings import Telling
    from tollgate.tenancy.records import Account


def notices(
    table: Table, account: "Account", tellings: "Iterable[Telling]", now: datetime
) -> Iterator[Action]:
    """Of those that were not told yet. Errors: `Unavailable`."""
    for each in tellings:
        data = {"name": account.name, **each.data}
        told = notice(account.id, each.kind, each.dedupe, account.email, data, now)
        if table.get(keys.Key(told.pk, told.sk)) is None:
            yield put(told.serialize())
