"""Sealed cookies: `__Host-` over https, a plain name on a loopback address, Lax and HttpOnly
always.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollgate.identity.sealing import Sealer
from tollgate.web.site import Site

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class SealedCookie:
    """One kind of cookie, for example the session (`tollgate_session`)."""

    name: str
    sealer: Sealer
    site: Site

    def read(self, request: Request, kind: type[T]) -> T | None:
        """The first value of our name that opens: a browser may send two, and a tampered one is no
        cookie.
        """
        wanted = self._name(request)
        for header in request.headers.getlist("cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == wanted and (opened := self.sealer.open(value, kind)) is not None:
                    return opened
        return None

    def write(
        self, request: Request, response: Response, value: msgspec.Struct, age: timedelta
    ) -> None:
        self._set(request, response, self.sealer.seal(value), int(age.total_seconds()))

    def clear(self, request: Request, response: Response) -> None:
        self._set(request, response, "", 0)

    def _name(self, request: Request) -> str:
        return f"__Host-{self.name}" if self.site.secure(request) else self.name

    def _set(self, request: Request, response: Response, value: str, max_age: int) -> None:
        response.set_cookie(
            self._name(request),
            value,
            max_age=max_age,
            path="/",
            secure=self.site.secure(request),
            httponly=True,
            samesite="lax",
        )
