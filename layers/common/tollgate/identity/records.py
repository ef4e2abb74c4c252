"""The items that tie sign-ins to users."""

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute

from tollgate.table.record import Record


class Identity(Record):
    """One provider's subject; put if absent, so that it is one user for ever."""

    user_id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    created_at = UTCDateTimeAttribute()


class EmailClaim(Record):
    """The one user that owns a verified address."""

    user_id = UnicodeAttribute()


class Login(Record):
    """Proof that a login attempt was used; the attempt itself ends before this item may go."""
