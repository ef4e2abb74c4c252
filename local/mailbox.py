"""SES for the laptop: what it is given to send stands on a page, `/local/mailbox`, newest first.

It refuses what SES refuses, and can be told to fail (`/local/mailbox/faults`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import jinja2
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tollgate.quota.periods import rfc3339
from tollgate.web.application import application
from tollgate.web.bodies import read_json
from tollgate.web.site import Site

PLACE = "/local/mailbox"
_SHOWN = 100

_Address = Annotated[str, msgspec.Meta(pattern=r"^[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+\.[A-Za-z]+\Z")]
_Line = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f]+\Z")]


class _Subject(msgspec.Struct):
    Data: _Line


class _Part(msgspec.Struct):
    Data: str


class _Body(msgspec.Struct):
    Text: _Part
    Html: _Part


class _Simple(msgspec.Struct):
    Subject: _Subject
    Body: _Body


class _Content(msgspec.Struct):
    Simple: _Simple


class _Destination(msgspec.Struct):
    ToAddresses: Annotated[list[_Address], msgspec.Meta(min_length=1)]


class _Email(msgspec.Struct):
    FromEmailAddress: _Address
    Destination: _Destination
    Content: _Content


class _Fault(msgspec.Struct):
    """One answer in SES's own code, in the place of an e-mail's acceptance."""

    status: int
    code: str
    message: str = "as told"


class _Faults(msgspec.Struct):
    faults: list[_Fault]


@dataclass
class Mailbox:
    """The e-mails are lines of a file, so that they outlive a restart."""

    file: Path
    clock: Callable[[], datetime]
    faults: list[_Fault] = field(default_factory=list)

    def application(self, site: Site) -> Starlette:
        routes = [
            Route(PLACE, self.page),
            Route(f"{PLACE}/messages", self.listed),
            Route(f"{PLACE}/faults", self.fail, methods=["POST"]),
            Route(f"{PLACE}/v2/email/outbound-emails", self.accept, methods=["POST"]),
        ]
        return application(routes, site)

    def messages(self) -> list[dict[str, Any]]:
        """From the newest on."""
        if not self.file.exists():
            return []
        lines = self.file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in reversed(lines[-_SHOWN:])]

    async def page(self, _: Request) -> Response:
        return HTMLResponse(_PAGES.get_template("mailbox.html").render(messages=self.messages()))

    async def listed(self, _: Request) -> Response:
        return JSONResponse({"messages": self.messages()})

    async def fail(self, request: Request) -> Response:
        self.faults += (await read_json(request, _Faults)).faults
        return Response(status_code=204)

    async def accept(self, request: Request) -> Response:
        if self.faults:
            fault = self.faults.pop(0)
            return _refusal(fault.status, fault.code, fault.message)
        try:
            email = msgspec.json.decode(await request.body(), type=_Email)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _refusal(400, "BadRequestException", "no e-mail")
        content = email.Content.Simple
        message = {
            "at": rfc3339(self.clock()),
            "from": email.FromEmailAddress,
            "to": ", ".join(email.Destination.ToAddresses),
            "subject": content.Subject.Data,
            "text": content.Body.Text.Data,
            "html": content.Body.Html.Data,
        }
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")
        return JSONResponse({"MessageId": f"local-{self.file.stat().st_size}"})


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"message": message}, status, {"x-amzn-errortype": code})


_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")), autoescape=True
)
