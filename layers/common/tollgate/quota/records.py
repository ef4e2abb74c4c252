"""How generations were decided, and what closed periods held."""

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from tollgate.table.record import Record


class Receipt(Record):
    """The decision on one generation, written once; the gate follows it.

    Tokens are the model's; `cost` is in billionths of a dollar at the catalogue version
    `price_version`. `outcome` is finished, stopped, failed (nothing was delivered, nothing is
    charged) or reclaimed.
    """

    account_id = UnicodeAttribute()
    generation_id = UnicodeAttribute()
    user_id = UnicodeAttribute()
    outcome = UnicodeAttribute()
    model = UnicodeAttribute()
    provider = UnicodeAttribute()
    period = UnicodeAttribute()
    day = UnicodeAttribute()
    reserved = NumberAttribute()
    input_tokens = NumberAttribute()
    output_tokens = NumberAttribute()
    estimated = BooleanAttribute()
    cost = NumberAttribute()
    price_version = UnicodeAttribute()
    admitted_at = NumberAttribute()
    decided_at = NumberAttribute()

    @property
    def unused(self) -> int:
        """Tokens of the hold that go back to its period; negative where more was used than held."""
        return int(self.reserved - self.input_tokens - self.output_tokens)


class ClosedPeriod(Record):
    """What one period granted and what was used of it, in model tokens.

    Plan and grant are those of its last admission: a change of plan after its end is not its own.
    """

    account_id = UnicodeAttribute()
    start = UnicodeAttribute()
    plan = UnicodeAttribute()
    granted = NumberAttribute()
    used = NumberAttribute()
    closed_at = NumberAttribute()
