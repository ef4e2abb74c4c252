"""A refused sign-in, as a page for a person or as problem details for a program."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tollgate.identity.refusals import AccountExists, LoginFailed, ProviderUnavailable
from tollgate.table.client import Unavailable
from tollgate.web.problems import TITLES, Problem
from tollgate.web.request_id import request_id

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; padding: 1.5rem; }
main { max-width: 30rem; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; }
a { display: inline-block; margin-top: .75rem; padding: .5rem 1rem; border-radius: .5rem;
    background: #2f5bea; color: #fff; text-decoration: none; }
a:focus-visible { outline: 3px solid #f5a623; outline-offset: 2px; }
small { display: block; margin-top: 1.5rem; opacity: .7; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = Template(
    "<!doctype html><html lang=en><meta charset=utf-8>"
    "<meta name=viewport content='width=device-width, initial-scale=1'>"
    "<title>$title</title><style>$style</style>"
    "<main><h1>$title</h1><p>$detail</p><a href='../../'>Back to the start</a>"
    "<small>Reference: $request_id</small></main></html>"
)
_PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
_HEADERS = {
    **_PRIVATE,
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'none'; style-src 'sha256-{_STYLE_HASH}'",
}


@contextmanager
def as_problems() -> Iterator[None]:
    """What a sign-in may end with, as what the reader is told."""
    try:
        yield
    except LoginFailed as error:
        raise Problem(400, "login_failed", error.detail, reason=error.reason) from error
    except AccountExists as error:
        detail = "An account with your address exists. Sign in the way you did the first time."
        raise Problem(409, "account_exists", detail) from error
    except (ProviderUnavailable, Unavailable) as error:
        detail = "The sign-in could not be completed. Try again in a moment."
        headers = {"retry-after": "5"}
        raise Problem(503, "service_unavailable", detail, headers=headers) from error


def refused(request: Request, problem: Problem) -> Response:
    """The page says nothing that the request brought along; its link is relative, stage and all."""
    if not _prefers_html(request.headers.get("accept", "")):
        response = problem.response(request)
        response.headers.update(_PRIVATE)
        return response
    page = _PAGE.substitute(
        title=escape(TITLES[problem.code]),
        style=_STYLE,
        detail=escape(problem.detail),
        request_id=escape(request_id(request.scope)),
    )
    return HTMLResponse(page, problem.status, headers={**_HEADERS, **problem.headers})


def _prefers_html(accept: str) -> bool:
    """Browsers name `text/html` before anything else when they navigate; scripts do not."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"
