"""What every request passes before its route: an id, the cross-site guard, a last resort for
errors.
"""

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from tollgate.logs import logger
from tollgate.table.client import Unavailable
from tollgate.web.problems import Problem
from tollgate.web.request_id import request_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tollgate.web.site import Site

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestIds:
    """Every response carries `x-request-id`."""

    def __init__(self, app: "ASGIApp", site: "Site") -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        async def send_with_id(message: "Message") -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id(scope)
            await send(message)

        scope["tollgate.adapter"] = self._site.behind_adapter
        await self._app(scope, receive, send_with_id)


class LastResort:
    """Nothing that fails inside leaves as more than a problem document."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: "Message") -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            # The last resort: the reader gets a sentence, the log the exception's place but not its
            # message, which may quote a prompt, a cookie or a provider's answer.
            logger().error("%s failed at %s", request_id(scope), _place(error))
            if started:
                raise
            await _last_resort(error).response(Request(scope))(scope, receive, send)


def _last_resort(error: Exception) -> Problem:
    if isinstance(error, Unavailable):
        return Problem(
            503, "service_unavailable", "Try again in a moment.", headers={"retry-after": "5"}
        )
    return Problem(500, "internal_error", "This is our fault, not yours. Try again in a moment.")


def _place(error: BaseException) -> str:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} ({' > '.join(frames[-6:])})"


class CrossSiteGuard:
    """Refuses state-changing requests that a page of another origin caused.

    Fetch metadata decides where the browser sends it, `Origin` where it does not; a script sends
    neither. `exempt` are paths that browsers never call and that prove their sender otherwise
    (webhooks).
    """

    def __init__(self, app: "ASGIApp", site: "Site", exempt: "Collection[str]" = ()) -> None:
        self._app = app
        self._site = site
        self._exempt = frozenset(exempt)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and not self._passes(Request(scope)):
            problem = Problem(
                403,
                "cross_site_request",
                "Requests that change something must come from this site's own pages.",
            )
            await problem.response(Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _passes(self, request: Request) -> bool:
        if request.method in _SAFE_METHODS or request.scope["path"] in self._exempt:
            return True
        origin = request.headers.get("origin")
        if origin is not None and origin in self._site.allowed_origins:
            return True
        fetch_site = request.headers.get("sec-fetch-site")
        if fetch_site is not None:
            return fetch_site in {"same-origin", "none"}
        return origin is None or origin == self._site.origin(request)
