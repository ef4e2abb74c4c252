"""One structured line to standard output, which CloudWatch can search by its members.

A line holds ids, kinds and places: never a prompt, a cookie, a token, an address or an exception's
message, which may quote any of them.
"""

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools.logging import Logger


@cache
def logger() -> "Logger":
    """Made at the first line, which most requests never write: its import costs a cold start."""
    from aws_lambda_powertools.logging import Logger

    return Logger(service="tollgate")


def raise_alarm(kind: str, **ids: str | None) -> None:
    """Tells a person to look: the template counts lines with `Alarm`, and alarms on the first."""
    logger().error(kind, extra={"Alarm": 1, **ids})


def metrics(now: datetime, *names: str) -> dict[str, Any]:
    """Makes metrics of a line's own members (CloudWatch's embedded metric format), by its member
    `function_name`.
    """
    directive = {
        "Namespace": "Tollgate",
        "Dimensions": [["function_name"]],
        "Metrics": [{"Name": each} for each in names],
    }
    embedded = {"Timestamp": round(now.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": embedded}
