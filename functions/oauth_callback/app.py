"""Sign-in and sign-out: the providers, the two halves of the flow, the end of sessions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from functions.oauth_callback.flow import Flow
from functions.oauth_callback.sign_out import SignOut
from tollgate.catalogue import Catalogue
from tollgate.identity import attempt, session
from tollgate.identity.openid import OpenID
from tollgate.identity.sealing import Sealer
from tollgate.table.client import Table
from tollgate.web.application import application
from tollgate.web.authentication import SESSION_COOKIE, Authentication
from tollgate.web.cookies import SealedCookie
from tollgate.web.site import Site


def build(
    *,
    table: Table,
    providers: Mapping[str, OpenID],
    catalogue: Catalogue,
    site: Site,
    session_keys: Sequence[str],
    clock: Callable[[], datetime],
) -> Starlette:
    """`providers` in the order in which people see them; `session_keys` newest first."""
    sessions = SealedCookie(SESSION_COOKIE, Sealer(session_keys, session.PURPOSE), site)
    attempts = SealedCookie("tollgate_login", Sealer(session_keys, attempt.PURPOSE), site)
    flow = Flow(table, providers, catalogue.lowest, site, attempts, sessions, clock)
    sign_out = SignOut(Authentication(sessions, table, clock), sessions, table)

    def listed(request: Request) -> Response:
        base = site.base(request)
        entries = [
            {"id": name, "name": each.provider.name, "login_url": f"{base}/auth/{name}/login"}
            for name, each in providers.items()
        ]
        return JSONResponse({"providers": entries})

    routes = [
        Route("/auth/providers", listed),
        Route("/auth/{provider}/login", flow.login),
        Route("/auth/{provider}/callback", flow.callback),
        Route("/auth/logout", sign_out.here, methods=["POST"]),
        Route("/auth/logout-all", sign_out.everywhere, methods=["POST"]),
    ]
    return application(routes, site)
