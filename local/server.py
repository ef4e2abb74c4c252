"""Every function's own app on one port, routed by template.yaml."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from functions.account import app as account
from functions.checkout import app as checkout
from functions.count_spend import app as count_spend
from functions.generate_stream import app as generate_stream
from functions.monthly_reset import app as monthly_reset
from functions.oauth_callback import app as oauth_callback
from functions.reconcile import app as reconcile
from functions.report_usage import app as report_usage
from functions.send_notices import app as send_notices
from functions.studio import app as studio
from functions.webhook import app as webhook
from local import template
from local.clock import Clock
from local.control import Context, Control
from local.mailbox import PLACE, Mailbox
from local.storage import Outdated, open_table
from local.stream import Stream
from tollgate import catalogue
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.meter_gateway import MeterGateway
from tollgate.billing.refresh_entitlement import refresh_entitlement
from tollgate.billing.report_usage import Reporting
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.catalogue import Catalogue
from tollgate.generation.providers import Providers
from tollgate.identity.openid import OpenID
from tollgate.identity.providers import Provider, configured
from tollgate.notices import mail
from tollgate.notices.send_notice import Post
from tollgate.settings import Settings
from tollgate.table.client import Table
from tollgate.web.authentication import Authentication
from tollgate.web.site import Site

_LOOPBACK = "127.0.0.1"
_SENDER = "billing@tollgate.example"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the functions share on a laptop: the one place where they are put together."""

    settings: Settings
    site: Site
    clock: Clock
    catalogue: Catalogue
    table: Table
    authentication: Authentication
    billing: Billing

    @classmethod
    def of(cls, settings: Settings) -> Self:
        site = Site.configured(settings)
        clock = Clock(Path(settings.required("LOCAL_CLOCK")))
        plans = catalogue.load(settings.plans)
        table = open_table(template.load(), settings.table)
        authentication = Authentication.configured(settings, table, site, clock)
        billing = Billing(table, plans, StripeGateway.configured(settings), clock)
        return cls(settings, site, clock, plans, table, authentication, billing)

    def apps(self) -> dict[str, Starlette]:
        """Each function's app by its folder's name."""
        return {
            "account": account.build(
                table=self.table,
                catalogue=self.catalogue,
                authentication=self.authentication,
                refresh=self._refresh,
                site=self.site,
                clock=self.clock,
            ),
            "checkout": checkout.build(
                billing=self.billing, authentication=self.authentication, site=self.site
            ),
            "generate_stream": generate_stream.build(
                table=self.table,
                catalogue=self.catalogue,
                authentication=self.authentication,
                providers=Providers.configured(self.settings),
                refresh=self._refresh,
                site=self.site,
                clock=self.clock,
            ),
            "oauth_callback": self._oauth_callback(),
            "studio": studio.build(site=self.site),
            "webhook": webhook.build(
                billing=self.billing,
                site=self.site,
                secrets=self.settings.secrets("STRIPE_WEBHOOK_SECRET"),
                livemode=self.settings.livemode,
            ),
        }

    def control(self) -> Starlette:
        def run_again(chain: int) -> None:
            reset({"chain": chain}, Context())

        def compare_again(chain: int) -> None:
            compare({"chain": chain}, Context())

        reset = monthly_reset.build(
            table=self.table,
            catalogue=self.catalogue,
            clock=self.clock,
            continue_later=run_again,
        )
        compare = reconcile.build(billing=self.billing, continue_later=compare_again)
        return Control(
            table=self.settings.table,
            clock=self.clock,
            schedules={"monthly_reset": reset, "reconcile": compare},
            stripe=self.settings.optional("LOCAL_STRIPE"),
            models=self.settings.optional("LOCAL_MODELS"),
        ).application(self.site)

    def stream(self) -> Stream:
        count = count_spend.build(table=self.table, catalogue=self.catalogue, clock=self.clock)
        return Stream(self.settings.table, template.load().pattern("count_spend"), count)

    def usage(self) -> Stream:
        """What is given up is in the log, as an alarm; there is no queue here."""
        meters = MeterGateway.configured(self.settings)
        report = report_usage.build(Reporting(self.table, meters, self.clock), lambda _: None)
        pattern = template.load().pattern("report_usage")
        return Stream(self.settings.table, pattern, lambda event, _: report(event, Context()))

    def notices(self) -> Stream:
        """They come back to this very server, in SES's own words: to its mailbox."""
        port = self.settings.required("PORT")
        mailbox = mail.connect(_SENDER, f"http://{_LOOPBACK}:{port}{PLACE}")
        home = self.settings.public_url or f"http://localhost:{port}"
        post = Post(self.table, mailbox, f"{home}/", self.clock)
        pattern = template.load().pattern("send_notices")
        return Stream(self.settings.table, pattern, send_notices.build(post))

    def mailbox(self) -> Starlette:
        file = Path(self.settings.required("LOCAL_CLOCK")).with_name("mailbox")
        return Mailbox(file, self.clock).application(self.site)

    def _oauth_callback(self) -> Starlette:
        return oauth_callback.build(
            table=self.table,
            providers={each.id: OpenID(each, self.clock) for each in _providers(self.settings)},
            catalogue=self.catalogue,
            site=self.site,
            session_keys=self.settings.secrets("SESSION_KEYS"),
            clock=self.clock,
        )

    def _refresh(self, account_id: str) -> None:
        refresh_entitlement(self.billing, account_id)


def application(parts: Parts) -> Starlette:
    """`/local/…` beside the template's own routes."""
    apps = parts.apps()
    routes = [Route(path, apps[folder]) for path, folder in template.load().routes()]
    generate = apps["generate_stream"]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with parts.stream().followed(), parts.notices().followed(), parts.usage().followed():
            async with generate.router.lifespan_context(generate):
                yield

    return Starlette(
        routes=[
            Route(f"{PLACE}{{rest:path}}", parts.mailbox()),
            Route("/local/{rest:path}", parts.control()),
            *routes,
        ],
        lifespan=lifespan,
    )


def _providers(settings: Settings) -> tuple[Provider, ...]:
    """The laptop's own provider is known here only: no deployed package names it."""
    issuer = settings.optional("LOCAL_ISSUER")
    own = (Provider("local", "this computer", issuer, "tollgate", "local"),) if issuer else ()
    return configured(settings) + own


def main() -> None:
    settings = Settings(os.environ)
    try:
        parts = Parts.of(settings)
    except (catalogue.CatalogueError, Outdated) as error:
        sys.exit(str(error))
    uvicorn.run(
        application(parts),
        host=_LOOPBACK,
        port=int(settings.required("PORT")),
        log_level="warning",
    )


if __name__ == "__main__":
    main()
