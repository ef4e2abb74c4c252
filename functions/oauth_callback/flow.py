"""The two halves of a sign-in: away to the provider, and back from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from functions.oauth_callback.refusal import as_problems, refused
from tollgate.catalogue import Plan
from tollgate.identity import return_to, session
from tollgate.identity.attempt import LIFETIME, Attempt, answered, begin, refuse_errors
from tollgate.identity.openid import OpenID
from tollgate.identity.sign_in import sign_in
from tollgate.table.client import Table
from tollgate.web.cookies import SealedCookie
from tollgate.web.problems import Problem
from tollgate.web.site import Site


@dataclass(frozen=True, slots=True)
class Flow:
    table: Table
    providers: Mapping[str, OpenID]
    free: Plan
    site: Site
    attempts: SealedCookie
    sessions: SealedCookie
    clock: Callable[[], datetime]

    async def login(self, request: Request) -> Response:
        openid, redirect_uri = self._provider(request)
        target = request.query_params.get("return_to", "/")
        if not return_to.valid(target):
            raise Problem(400, "invalid_return_to", "`return_to` is a path of this site, like `/`.")
        attempt = begin(openid.provider.id, target, self.clock())
        with as_problems():
            hint = request.query_params.get("login_hint")
            url = await openid.authorization_url(attempt, redirect_uri, hint)
        response = _redirect(url)
        self.attempts.write(request, response, attempt, LIFETIME)
        return response

    async def callback(self, request: Request) -> Response:
        """The first answer that carries an attempt's state spends it, unless that is a 503."""
        openid, redirect_uri = self._provider(request)
        attempt, answer, now = None, request.query_params, self.clock()
        try:
            with as_problems():
                refuse_errors(answer)
                carried = self.attempts.read(request, Attempt)
                attempt = answered(carried, openid.provider.id, answer, now)
                profile = await openid.profile(attempt, answer, redirect_uri)
                signed_in = await run_in_threadpool(  # botocore would block the event loop
                    sign_in, self.table, attempt, profile, self.free, now
                )
        except Problem as problem:
            response = refused(request, problem)
            if attempt is not None and problem.status < 500:
                self.attempts.clear(request, response)
            return response
        response = _redirect(f"{self.site.base(request)}{attempt.return_to}")
        self.attempts.clear(request, response)
        self.sessions.write(request, response, signed_in, session.LIFETIME)
        return response

    def _provider(self, request: Request) -> tuple[OpenID, str]:
        """With the address that it sends people back to."""
        found = self.providers.get(request.path_params["provider"])
        if found is None:
            raise Problem(404, "unknown_provider", "There is no such sign-in provider here.")
        return found, f"{self.site.base(request)}/auth/{found.provider.id}/callback"


def _redirect(url: str) -> Response:
    """Never cached; the callback's address, which holds a code, goes to nobody as a referrer."""
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
    return RedirectResponse(url, 302, headers=headers)
