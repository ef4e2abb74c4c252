"""How generations were decided, and what closed periods held."""

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from tollgate.table.record import Record


class Receipt(Record):
    """The decision on one generation, written once; the gate follows it.

    Tokens are the model's; `cost` is in billionths of a dollar at the catalogue version
    `price_version`. `outcome` is finished, stopped, failed (nothing was delivered, nothing is
    charged) or reclaimed; or refunded, where it stands for a refund and nobody's generation. A
    settlement that came after its reclaim adds its own numbers once, as `late_*`: they are what is
    charged, of the model that really answered.

    Where the plan of the admission sells what goes beyond its month, `meter` counts that and
    `included` is the month. `overage` is the part of this charge that was sold, `late_overage` of
    the late difference, each fixed once; `reported_at` is when Stripe had it.
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
    meter = UnicodeAttribute(null=True)
    included = NumberAttribute(null=True)
    overage = NumberAttribute(null=True)
    reported_at = NumberAttribute(null=True)
    late_outcome = UnicodeAttribute(null=True)
    late_model = UnicodeAttribute(null=True)
    late_provider = UnicodeAttribute(null=True)
    late_input_tokens = NumberAttribute(null=True)
    late_output_tokens = NumberAttribute(null=True)
    late_estimated = BooleanAttribute(null=True)
    late_cost = NumberAttribute(null=True)
    late_at = NumberAttribute(null=True)
    late_overage = NumberAttribute(null=True)
    late_reported_at = NumberAttribute(null=True)

    @property
    def unused(self) -> int:
        """Tokens of the hold that go back to its period; negative where more was used than held."""
        return int(self.reserved - self.input_tokens - self.output_tokens)

    @property
    def charged_tokens(self) -> int:
        return int(self.input_tokens + self.output_tokens) + self.debt

    @property
    def charged_cost(self) -> int:
        return int(self.cost if self.late_cost is None else self.late_cost)

    @property
    def debt(self) -> int:
        """Tokens that the late settlement charged beyond the reclaim; negative where the reclaim
        had charged too much, zero where nothing came late.
        """
        if self.late_input_tokens is None or self.late_output_tokens is None:
            return 0
        late = self.late_input_tokens + self.late_output_tokens
        return int(late - self.input_tokens - self.output_tokens)


class ClosedPeriod(Record):
    """What one period granted and what was used of it, in model tokens.

    Plan and grant are those of its last admission: a change of plan after its end is not its own.
    `debt` is what settlements added after the close: `used` never changes.
    """

    account_id = UnicodeAttribute()
    start = UnicodeAttribute()
    plan = UnicodeAttribute()
    granted = NumberAttribute()
    used = NumberAttribute()
    debt = NumberAttribute(null=True)
    closed_at = NumberAttribute()
