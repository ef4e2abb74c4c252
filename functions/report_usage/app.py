"""The table's stream in, a batch of receipts at a time; where to begin again out.

A record only says which receipt to look at. One that can never be reported is given up to a
person's queue, as an event for this same function, and blocks nobody.
"""

from collections.abc import Callable
from typing import Any

from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.meter_gateway import Undeliverable
from tollgate.billing.report_usage import Reporting, report_usage
from tollgate.logs import logger, raise_alarm
from tollgate.table.client import Unavailable
from tollgate.table.keys import Key

Event = dict[str, Any]

_ONE_RECORD_MS = 15_000
"""What one record may take where the store and Stripe answer at their last try."""


def build(reporting: Reporting, give_up: Callable[[Event], None]) -> Callable[[Event, Any], Event]:
    """Stops at the first that cannot be reported now: Stripe or the store is away, and whatever
    follows would wait as well.
    """

    def report(event: Event, context: Any) -> Event:
        for record in event["Records"]:
            change = record["dynamodb"]
            if context.get_remaining_time_in_millis() < _ONE_RECORD_MS or not done(change):
                return {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}
        return {"batchItemFailures": []}

    def done(change: Event) -> bool:
        """True where nothing is left to do but for a person."""
        key = Key(change["Keys"]["pk"]["S"], change["Keys"]["sk"]["S"])
        try:
            report_usage(reporting, key)
        except (BillingUnavailable, Unavailable) as fault:
            logger().warning("usage_waits", extra={**key._asdict(), "code": str(fault)})
            return False
        except Undeliverable as refusal:
            raise_alarm("usage_undeliverable", **key._asdict(), code=str(refusal))
            again = {name: change[name] for name in ("Keys", "SequenceNumber")}
            give_up({"Records": [{"dynamodb": again}]})
        return True

    return report
