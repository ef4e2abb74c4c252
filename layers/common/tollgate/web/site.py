"""Where the service is, as browsers see it, and which origins may speak to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tollgate.web.request_id import gateway_context

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from tollgate.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Site:
    """`public_url` None: each request's own domain and stage, or its loopback host on a laptop."""

    public_url: str | None = None
    allowed_origins: Sequence[str] = ()
    behind_adapter: bool = False

    @classmethod
    def configured(cls, settings: "Settings", *, behind_adapter: bool = False) -> "Site":
        return cls(settings.public_url, settings.allowed_origins, behind_adapter)

    def base(self, connection: "HTTPConnection") -> str:
        """Scheme, host and stage without a slash at the end.

        A Host header is believed on loopback only.
        """
        if self.public_url:
            return self.public_url
        context = gateway_context(connection.scope)
        if context.get("domainName"):
            path: str = connection.scope["path"]
            staged = str(context.get("path", path))
            return f"https://{context['domainName']}{staged.removesuffix(path)}"
        if connection.url.hostname in _LOOPBACK:
            return f"{connection.url.scheme}://{connection.url.netloc}"
        return ""

    def origin(self, connection: "HTTPConnection") -> str:
        return origin_of(self.base(connection))

    def secure(self, connection: "HTTPConnection") -> bool:
        """False on a plain-http loopback address alone, where `__Host-` cookies cannot be set."""
        base = urlsplit(self.base(connection))
        return base.scheme != "http" or base.hostname not in _LOOPBACK


def origin_of(url: str) -> str:
    """Scheme and authority: what a browser sends as `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
