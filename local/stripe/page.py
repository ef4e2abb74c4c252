"""How a hosted page is drawn, and what its forms send."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

PATIENCE_SECONDS = 1.0
"""How long a redirect waits for its webhooks, so that the next request sees what was paid for."""

_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def draw(template: str, status: int, **shown: Any) -> Response:
    return HTMLResponse(_pages.get_template(template).render(shown), status)


async def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


def _money(amount: int, currency: str) -> str:
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(currency, f"{currency.upper()} ")
    return f"{sign}{amount // 100:,}.{amount % 100:02}"


def _date(instant: int) -> str:
    moment = datetime.fromtimestamp(instant, UTC)
    return f"{moment.day} {moment:%B %Y}"


_pages.filters |= {"date": _date, "money": _money}
