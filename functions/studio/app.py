"""The page a person sees: a handful of files, read once, with nothing loaded from elsewhere."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tollgate.web.application import application
from tollgate.web.problems import not_found
from tollgate.web.site import Site

_FOLDER = Path(__file__).parent / "page"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The only foreign thing a person may see is the picture that their sign-in provider names.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
}


class _File(NamedTuple):
    body: bytes
    media_type: str
    etag: str


def build(*, site: Site) -> Starlette:
    """Every file is in memory from here on: no request can name a path on the disk."""
    files = {path.name: _read(path) for path in sorted(_FOLDER.iterdir())}
    page = files.pop("index.html")

    async def serve_page(request: Request) -> Response:
        return _answer(request, page)

    async def serve_asset(request: Request) -> Response:
        file = files.get(request.path_params["asset"])
        if file is None:
            raise not_found()
        return _answer(request, file)

    return application(
        [Route("/", serve_page), Route("/studio/{asset}", serve_asset)],
        site,
    )


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, _MEDIA_TYPES[path.suffix], f'"{sha256(body).hexdigest()[:32]}"')


def _answer(request: Request, file: _File) -> Response:
    """304 where the browser's copy is still the true one (RFC 9110, section 13.1.2)."""
    headers = {**_HEADERS, "etag": file.etag}
    known = {tag.strip().removeprefix("W/") for tag in _if_none_match(request).split(",")}
    if file.etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers={**headers, "content-type": file.media_type})


def _if_none_match(request: Request) -> str:
    return request.headers.get("if-none-match", "")
