"""The laptop's mailbox as a server of its own, and notices on their way to it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import botocore.session
import httpx2
import uvicorn
from botocore.config import Config

from local.mailbox import PLACE, Mailbox
from local.processes import LOOPBACK, free_ports
from tollgate.notices.mail import Mail
from tollgate.notices.records import Notice
from tollgate.web.site import Site

WORDS = {"name": "Ada", "plan": "Pro", "grace_until": "28 November 2026"}
SENDER = "billing@example.com"


class RunningMailbox:
    def __init__(self, mailbox: Mailbox, address: str) -> None:
        self._mailbox, self.address = mailbox, f"{address}{PLACE}"

    def messages(self) -> list[dict[str, Any]]:
        return self._mailbox.messages()

    def fail(self, *codes: str, status: int = 400, message: str = "as told") -> None:
        """The next answers, in SES's own codes."""
        faults = [{"status": status, "code": code, "message": message} for code in codes]
        httpx2.post(f"{self.address}/faults", json={"faults": faults}).raise_for_status()

    def mail(self) -> Mail:
        """As it is deployed, but for the retries' pauses, which take seconds."""
        client = botocore.session.get_session().create_client(
            "sesv2",
            region_name="eu-central-1",
            endpoint_url=self.address,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        return Mail(client, SENDER)


@contextmanager
def running_mailbox() -> Iterator[RunningMailbox]:
    [port] = free_ports(1)
    with TemporaryDirectory(prefix="tollgate-") as folder:
        mailbox = Mailbox(Path(folder) / "mailbox", lambda: datetime.now(UTC))
        app = mailbox.application(Site())
        server = uvicorn.Server(uvicorn.Config(app, LOOPBACK, port, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield RunningMailbox(mailbox, f"http://{LOOPBACK}:{port}")
        finally:
            server.should_exit = True
            thread.join()


def inserted(*notices: Notice) -> dict[str, Any]:
    """What Lambda makes of new items in the table's stream."""
    return {
        "Records": [
            {
                "eventName": "INSERT",
                "dynamodb": {
                    "Keys": {"pk": {"S": each.pk}, "sk": {"S": each.sk}},
                    "SequenceNumber": str(100 + place),
                },
            }
            for place, each in enumerate(notices)
        ]
    }
