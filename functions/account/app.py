"""What people may read about themselves, and what anyone may read about the plans."""

from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.routing import Route

from functions.account.conversations import ConversationEndpoints
from functions.account.profile import ProfileEndpoints
from functions.account.usage import UsageEndpoints
from tollgate.catalogue import Catalogue
from tollgate.generation.conversations import Conversations
from tollgate.table.client import Table
from tollgate.web.application import application
from tollgate.web.authentication import Authentication
from tollgate.web.site import Site


def build(
    *,
    table: Table,
    catalogue: Catalogue,
    authentication: Authentication,
    refresh: Callable[[str], None],
    site: Site,
    clock: Callable[[], datetime],
) -> Starlette:
    """`refresh(account_id)` brings a gate whose entitlement has ended up to date with billing."""
    profile = ProfileEndpoints(table, catalogue, authentication, refresh, clock)
    conversations = ConversationEndpoints(authentication, Conversations(table), clock)
    usage = UsageEndpoints(table, catalogue, authentication, clock)
    routes = [
        Route("/healthz", profile.health),
        Route("/me", profile.me),
        Route("/blueprints", profile.blueprints),
        Route("/billing/plans", profile.plans),
        Route("/conversations", conversations.listed),
        Route("/conversations/{id}", conversations.delete, methods=["DELETE"]),
        Route("/conversations/{id}/messages", conversations.messages),
        Route("/usage", usage.month),
        Route("/usage/receipts/{id}", usage.receipt),
    ]
    return application(routes, site)
