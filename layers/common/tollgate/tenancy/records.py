"""The plain items of people and accounts."""

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)

from tollgate.table.record import Record


class User(Record):
    """A person. `account_id` is the personal account; its gate also holds their sessions."""

    id = UnicodeAttribute()
    account_id = UnicodeAttribute()
    email = UnicodeAttribute()
    email_verified = BooleanAttribute()
    name = UnicodeAttribute()
    picture_url = UnicodeAttribute(null=True)
    created_at = UTCDateTimeAttribute()


class Account(Record):
    """A tenant with its billing projection: Stripe's truth as it was when last read.

    `applied_seq` counts the projections written; a writer that read an older one loses.
    `customers_gone` counts its customers that were deleted at Stripe; `on_hold` is why billing,
    and nobody else, has suspended it.
    """

    id = UnicodeAttribute()
    name = UnicodeAttribute()
    kind = UnicodeAttribute()
    owner_id = UnicodeAttribute()
    email = UnicodeAttribute()
    email_verified = BooleanAttribute(default=False)
    created_at = UTCDateTimeAttribute()
    plan = UnicodeAttribute()
    applied_seq = NumberAttribute(default=0)
    customer_id = UnicodeAttribute(null=True)
    customers_gone = NumberAttribute(default=0)
    subscription_id = UnicodeAttribute(null=True)
    subscription_status = UnicodeAttribute(default="none")
    price_key = UnicodeAttribute(null=True)
    current_period_end = UTCDateTimeAttribute(null=True)
    cancel_at_period_end = BooleanAttribute(default=False)
    grace_until = UTCDateTimeAttribute(null=True)
    on_hold = BooleanAttribute(default=False)
    had_trial = BooleanAttribute(default=False)


class Membership(Record):
    """One person's place in one account; it stands under both."""

    account_id = UnicodeAttribute()
    user_id = UnicodeAttribute()
    role = UnicodeAttribute()
    name = UnicodeAttribute()
