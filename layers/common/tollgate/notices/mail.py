"""The one way to SES: an e-mail is accepted, or never will be, or may be later."""

from typing import TYPE_CHECKING, Any

from tollgate.table.client import Unavailable

if TYPE_CHECKING:
    from tollgate.notices.texts import Message

_NEVER = frozenset({"BadRequestException", "MessageRejected"})
"""What is wrong with this one e-mail. All else is wrong with the service, or with how it is set up,
and ends one day."""
_NOT_SET_UP = "not verified"
"""Of a sender's address, or anybody's while SES is in its sandbox, which has no code of its own."""


class MailRefused(Exception):
    """SES will never take this e-mail, to an address that is none for example."""


class Mail:
    """Without a configuration set, so that SES neither counts openings nor rewrites links."""

    def __init__(self, client: Any, sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, message: "Message") -> None:
        """Errors: `MailRefused`; `Unavailable`, after which it may have been sent all the same."""
        from botocore.exceptions import BotoCoreError, ClientError

        content = {
            "Subject": _data(message.subject),
            "Body": {"Text": _data(message.text), "Html": _data(message.html)},
        }
        try:
            self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [message.to]},
                Content={"Simple": content},
            )
        except ClientError as error:
            said = error.response["Error"]
            never = said["Code"] in _NEVER and _NOT_SET_UP not in said.get("Message", "")
            raise (MailRefused if never else Unavailable)(said["Code"]) from error
        except BotoCoreError as error:
            raise Unavailable(type(error).__name__) from error


def connect(sender: str, endpoint: str | None = None) -> Mail:
    """Region and credentials come from the AWS_* environment; `endpoint` is a stand-in's."""
    import botocore.session
    from botocore.config import Config

    from tollgate.table.descriptions import OneService

    config = Config(
        connect_timeout=1,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", OneService(_SERVICE))
    return Mail(session.create_client(_SERVICE, endpoint_url=endpoint, config=config), sender)


_SERVICE = "sesv2"


def _data(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
