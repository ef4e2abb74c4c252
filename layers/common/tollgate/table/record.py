"""PynamoDB models as the typed shape of the plain items.

They say what an item holds and translate it to and from DynamoDB's attribute values. Reading and
writing goes through `tollgate.table.client` alone, so that there is one client, one retry policy
and one place where faults become facts.
"""

from datetime import datetime
from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from tollgate.table.client import Item
from tollgate.table.keys import Key

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""What an item raises that is not what its key says."""


class Record(Model):
    """A plain item: its key, and when it may be forgotten (epoch seconds; deletion itself comes
    late).
    """

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_at = NumberAttribute(null=True)

    @classmethod
    def new(cls, key: Key, **attributes: Any) -> Self:
        return cls(key.pk, key.sk, **attributes)

    @classmethod
    def read(cls, item: Item | None, now: datetime) -> Self | None:
        """None where nothing stands, or what stands has expired and awaits its deletion."""
        if item is None:
            return None
        record = cls.from_raw_data(dict(item))
        if record.expires_at is not None and record.expires_at <= now.timestamp():
            return None
        return record
