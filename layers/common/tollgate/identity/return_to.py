"""Where a browser may be sent after a sign-in: an address inside the service, never elsewhere.

Browsers read addresses more generously than RFC 3986: a backslash is a slash, tabs and newlines
vanish, `//host` is another site. So the shape is allowed, instead of the dangerous forbidden.
"""

import re
from urllib.parse import unquote

LENGTH = 1024
"""Together with the rest of its sealed attempt this stays below a cookie's 4,096 bytes."""

_VISIBLE = re.compile(r"/[!-\[\]-~]*")
_TRANSPARENT_DECODINGS = 3


def valid(address: str) -> bool:
    """One leading slash, visible ASCII, no backslash, no dot segments; also when decoded again."""
    if len(address) > LENGTH or not _VISIBLE.fullmatch(address):
        return False
    path = re.split(r"[?#]", address, maxsplit=1)[0]
    for _ in range(_TRANSPARENT_DECODINGS):
        if not _stays_inside(path):
            return False
        path = unquote(path)
    return _stays_inside(path)


def _stays_inside(path: str) -> bool:
    if path.startswith("//") or "\\" in path or not path.isprintable():
        return False
    return not {".", ".."} & set(path.split("/"))
