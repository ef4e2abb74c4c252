"""A buffered function's deployed entry."""

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from starlette.applications import Starlette

_TEXT = [*DEFAULT_TEXT_MIME_TYPES, "application/problem+json", "image/svg+xml"]


def entry(app: Starlette) -> Mangum:
    """Lambda's handler for `app`.

    What counts as text the gateway hands out as it is, not in base64.
    """
    return Mangum(app, lifespan="off", text_mime_types=_TEXT)
