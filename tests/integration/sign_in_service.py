"""The sign-in function with a scripted provider, and browsers that come to it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from cryptography.fernet import Fernet
from starlette.applications import Starlette

from functions.oauth_callback.app import build
from tests.integration.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    ScriptedProvider,
    running_provider,
)
from tollgate import catalogue
from tollgate.identity.attempt import begin
from tollgate.identity.linking import Profile
from tollgate.identity.openid import OpenID
from tollgate.identity.providers import Provider
from tollgate.identity.sealing import Sealer
from tollgate.identity.session import PURPOSE, Session
from tollgate.identity.sign_in import sign_in
from tollgate.table.client import Table
from tollgate.tenancy import gate
from tollgate.web.site import Site

KEY = Fernet.generate_key().decode()
CATALOGUE = catalogue.load(None)
ORIGIN = "http://127.0.0.1:8000"
CALLBACK = "/auth/scripted/callback"


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Service:
    """The app with one provider, and browsers that come to it."""

    def __init__(self, table: Table, provider: ScriptedProvider) -> None:
        self.provider, self.table, self.clock = provider, table, Clock()
        self.app = self.deployed(Site())

    def deployed(self, site: Site, session_keys: tuple[str, ...] = (KEY,)) -> Starlette:
        told = [
            Provider(name, name.title(), self.provider.issuer, CLIENT_ID, CLIENT_SECRET)
            for name in ("scripted", "other")
        ]
        return build(
            table=self.table,
            providers={each.id: OpenID(each, self.clock) for each in told},
            catalogue=CATALOGUE,
            site=site,
            session_keys=session_keys,
            clock=self.clock,
        )

    def browser(self, app: Starlette | None = None, origin: str = ORIGIN) -> "Browser":
        return Browser(self, app or self.app, origin)


class Browser:
    def __init__(self, service: Service, app: Starlette, origin: str) -> None:
        self.service, self._app, self._origin = service, app, origin
        self.cookies = httpx2.Cookies()

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] = {},
        query: Mapping[str, str] = {},
        body: bytes = b"",
    ) -> httpx2.Response:
        """Each in a client of its own, because an `asyncio.run` has a loop of its own."""
        transport = httpx2.ASGITransport(self._app)
        async with httpx2.AsyncClient(transport=transport, base_url=self._origin) as client:
            client.cookies = self.cookies
            raw = {name.encode(): value.encode() for name, value in headers.items()}
            answer = await client.request(
                method, path, headers=raw, params=dict(query), content=body
            )
            self.cookies = client.cookies
            return answer

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, **query: str
    ) -> httpx2.Response:
        return asyncio.run(self.send("GET", path, headers or {}, query))

    def post(
        self, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
    ) -> httpx2.Response:
        return asyncio.run(self.send("POST", path, headers, body=body))

    def start(self, **query: str) -> str:
        """The provider's address that the login leads to."""
        answer = self.get("/auth/scripted/login", None, **query)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def come_back(self, answer: Mapping[str, str], **headers: str) -> httpx2.Response:
        return asyncio.run(self.send("GET", CALLBACK, headers, answer))

    def sign_in(self, **claims: Any) -> httpx2.Response:
        return self.come_back(self.service.provider.answer(self.start(), **claims))

    @property
    def session(self) -> Session | None:
        return self.session_named("tollgate_session")

    def session_named(self, name: str) -> Session | None:
        token = self.cookies.get(name)
        return Sealer([KEY], PURPOSE).open(token, Session) if token else None


@contextmanager
def running_service(table: Table) -> Iterator[Service]:
    with running_provider() as provider:
        yield Service(table, provider)


def sessions_of(table: Table, session: Session | None) -> set[str]:
    assert session is not None
    tenant = gate.read(table, session.account)
    assert tenant is not None
    return set(tenant.sessions)


def profile(subject: str = "s1", email: str = "ada@example.com", verified: bool = True) -> Profile:
    return Profile("scripted", subject, email, verified, "Ada", None)


def signed_in(table: Table, who: Profile, now: datetime | None = None) -> Session:
    now = now or datetime.now(UTC)
    return sign_in(table, begin(who.provider, "/", now), who, CATALOGUE.lowest, now)
