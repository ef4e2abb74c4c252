"""Where what nobody but a person can deliver is kept, for two weeks."""

import json
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]


def connect(url: str) -> Callable[[Event], None]:
    """Region, endpoint and credentials come from the AWS_* environment.

    What cannot be put there raises: the batch comes again.
    """
    import botocore.session
    from botocore.config import Config

    from tollgate.table.descriptions import OneService

    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", OneService("sqs"))
    client = session.create_client("sqs", config=config)

    def give_up(event: Event) -> None:
        client.send_message(QueueUrl=url, MessageBody=json.dumps(event))

    return give_up
