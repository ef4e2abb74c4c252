"""The table's stream in, a batch of new notices at a time; where to begin again out."""

from collections.abc import Callable
from typing import Any

from tollgate.logs import logger
from tollgate.notices.send_notice import Post, send_notice
from tollgate.table.client import Unavailable
from tollgate.table.keys import Key

Event = dict[str, Any]


def build(post: Post) -> Callable[[Event, Any], Event]:
    """Stops at the first that cannot be sent now: it is the service that is away, and whatever
    follows would wait as well.
    """

    def send(event: Event, _: Any) -> Event:
        for record in event["Records"]:
            change = record["dynamodb"]
            key = Key(change["Keys"]["pk"]["S"], change["Keys"]["sk"]["S"])
            try:
                send_notice(post, key)
            except Unavailable as fault:
                logger().warning("notice_waits", extra={**key._asdict(), "code": str(fault)})
                return {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}
        return {"batchItemFailures": []}

    return send
