"""Puts one function's routes behind everything that all routes share."""

from collections.abc import Collection, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from tollgate.web.guard import CrossSiteGuard, LastResort, RequestIds
from tollgate.web.problems import Problem, not_found
from tollgate.web.site import Site

_EXPOSED = ("x-request-id", "ratelimit", "ratelimit-policy", "retry-after", "x-usage-remaining")


def application(
    routes: Sequence[BaseRoute],
    site: Site,
    *,
    unguarded: Collection[str] = (),
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """`unguarded`: paths whose callers are no browsers and prove themselves in another way."""
    app = Starlette(
        routes=list(routes),
        lifespan=lifespan,
        middleware=[
            Middleware(RequestIds, site=site),
            Middleware(
                CORSMiddleware,
                allow_origins=list(site.allowed_origins),
                allow_credentials=True,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["content-type", "idempotency-key"],
                expose_headers=list(_EXPOSED),
            ),
            Middleware(LastResort),
            Middleware(CrossSiteGuard, site=site, exempt=unguarded),
        ],
        exception_handlers={Problem: _problem, HTTPException: _http_exception},
    )
    app.router.redirect_slashes = False  # an address that does not exist is a 404
    return app


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  what Starlette's registry promises, said to the type checker
    return error.response(request)


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  as above
    if error.status_code == 405:
        problem = Problem(
            405, "method_not_allowed", "This address answers other methods.", headers=error.headers
        )
    else:
        problem = not_found()
    return problem.response(request)
