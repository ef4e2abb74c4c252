"""Compares what is found with what is wanted before anything is written.

So a run that was stopped is finished by the next, and one that finds everything writes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import stripe

from local.stripe_setup import wanted
from local.stripe_setup.wanted import holds
from tollgate.catalogue import Plan

if TYPE_CHECKING:
    from stripe.params import PriceCreateParams, WebhookEndpointUpdateParams

_PAGE = 100
_PLANNED = "(new)"
"""In place of an id that a dry run does not learn."""
_NO_DEFAULT = (
    "note: sessions use the account's default portal, and there is none yet. Save the portal's "
    "settings once in Stripe's dashboard (settings/billing/portal), then run this again."
)


class _Kept(Protocol):
    """An object at Stripe."""

    @property
    def id(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


class StripeSetup:
    """For one run; `changes` counts what it wrote, or what a dry run would have written."""

    def __init__(
        self, client: stripe.StripeClient, say: Callable[[str], None], *, dry_run: bool = False
    ) -> None:
        self.changes = 0
        self._client = client
        self._say = say
        self._dry_run = dry_run
        self._prices: list[stripe.Price] = []
        self._offered: dict[str, list[str]] = {}

    def run(self, plans: Iterable[Plan], webhook_url: str) -> str | None:
        """A new webhook endpoint's signing secret: Stripe tells it once and never again."""
        pages = self._client.v1.prices.list({"active": True, "limit": _PAGE})
        self._prices = list(pages.auto_paging_iter())
        for plan in plans:
            if plan.prices:
                self._offer(plan)
        self._portal()
        return self._webhook(webhook_url)

    def _offer(self, plan: Plan) -> None:
        """What was made by hand stays in the products that it has, be they one or several."""
        keys = {entry.key for entry in plan.prices}
        products = [str(each.product) for each in self._prices if each.lookup_key in keys]
        product = self._product(plan, products[0] if products else f"prod_{plan.id}")
        for entry in plan.prices:
            holder, price = self._price(entry.key, product, wanted.price(entry))
            self._offered.setdefault(holder, []).append(price)
        if plan.overage:
            meter = self._meter(plan.overage.meter)
            for key, params in wanted.overages(plan, plan.overage, meter).items():
                self._price(key, product, params)

    def _product(self, plan: Plan, product_id: str) -> str:
        params, what = wanted.product(plan), f"product {plan.id}"
        found = self._found_product(product_id)
        if found is not None:
            return self._keep(
                what, found, params, lambda: self._client.v1.products.update(product_id, params)
            )
        create: Any = {"id": product_id, **params}
        return self._write("create", what, lambda: self._client.v1.products.create(create))

    def _found_product(self, product_id: str) -> stripe.Product | None:
        try:
            return self._client.v1.products.retrieve(product_id)
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            return None

    def _price(self, key: str, product: str, params: "PriceCreateParams") -> tuple[str, str]:
        """The ids of its product and of itself.

        What a price costs is fixed at Stripe: another amount is a new price that takes the key. The
        old one is archived, which takes it from new buyers and from nobody who has it.
        """
        rivals = [each for each in self._prices if key in (each.lookup_key, _price_key(each))]
        found = next((each for each in rivals if each.lookup_key == key), None)
        if found is not None and holds(found.to_dict(), params):
            product, current = str(found.product), self._name(found, f"price {key}", key)
        else:
            if found is not None:  # before it loses the key: its subscribers must stay known
                self._name(found, f"name of the old price {key}", key)
            current = self._create_price(key, {**params, "product": product})
        for old in (each.id for each in rivals if each.id != current):
            self._archive(old, key)
        return product, current

    def _name(self, price: stripe.Price, what: str, key: str) -> str:
        named = {"price_key": key}
        return self._keep(
            what,
            price,
            {"metadata": named},
            lambda: self._client.v1.prices.update(price.id, {"metadata": named}),
        )

    def _create_price(self, key: str, params: "PriceCreateParams") -> str:
        create: PriceCreateParams = {
            **params,
            "lookup_key": key,
            "transfer_lookup_key": True,
            "metadata": {"price_key": key},
        }
        return self._write("create", f"price {key}", lambda: self._client.v1.prices.create(create))

    def _archive(self, price_id: str, key: str) -> None:
        self._write(
            "archive",
            f"old price {key}",
            lambda: self._client.v1.prices.update(price_id, {"active": False}),
        )

    def _meter(self, name: str) -> str:
        """Hardly anything of a meter can change at Stripe: one of that name is taken as it is."""
        pages = self._client.v1.billing.meters.list({"status": "active", "limit": _PAGE})
        found = next((each for each in pages.auto_paging_iter() if each.event_name == name), None)
        if found is not None:
            self._say(f"unchanged: meter {name}")
            return found.id
        params = wanted.meter(name)
        return self._write(
            "create", f"meter {name}", lambda: self._client.v1.billing.meters.create(params)
        )

    def _portal(self) -> None:
        """The default one where there is any: sessions that name none use it."""
        params = wanted.portal(self._offered)
        pages = self._client.v1.billing_portal.configurations.list(
            {
                "active": True,
                "limit": _PAGE,
                "expand": ["data.features.subscription_update.products"],
            }
        )
        known = list(pages.auto_paging_iter())
        defaults = [each for each in known if each.is_default]
        ours = [each for each in known if holds(each.to_dict(), {"metadata": wanted.OURS})]
        if found := next(iter(defaults + ours), None):
            portal_id = found.id
            self._keep(
                "portal",
                found,
                params,
                lambda: self._client.v1.billing_portal.configurations.update(portal_id, params),
            )
        else:
            create: Any = params
            self._write(
                "create",
                "portal",
                lambda: self._client.v1.billing_portal.configurations.create(create),
            )
        if not defaults:
            self._say(_NO_DEFAULT)

    def _webhook(self, url: str) -> str | None:
        params, what = wanted.webhook(url), f"webhook endpoint {url}"
        pages = self._client.v1.webhook_endpoints.list({"limit": _PAGE})
        found = next((each for each in pages.auto_paging_iter() if each.url == url), None)
        if found is not None:
            endpoint_id = found.id
            enabled: WebhookEndpointUpdateParams = {**params, "disabled": False}
            self._keep(
                what,
                found,
                {**params, "status": "enabled"},
                lambda: self._client.v1.webhook_endpoints.update(endpoint_id, enabled),
            )
            return None
        made: list[stripe.WebhookEndpoint] = []
        create: Any = params

        def created() -> stripe.WebhookEndpoint:
            made.append(self._client.v1.webhook_endpoints.create(create))
            return made[0]

        self._write("create", what, created)
        secret: str | None = made[0].to_dict().get("secret") if made else None
        return secret

    def _keep(
        self, what: str, found: _Kept, params: Mapping[str, object], update: Callable[[], _Kept]
    ) -> str:
        if holds(found.to_dict(), params):
            self._say(f"unchanged: {what}")
            return found.id
        self._write("change", what, update)
        return found.id

    def _write(self, verb: str, what: str, call: Callable[[], _Kept]) -> str:
        """The id of what was written; nothing is, in a dry run."""
        self.changes += 1
        if self._dry_run:
            self._say(f"would {verb}: {what}")
            return _PLANNED
        made = call().id
        self._say(f"{verb}d: {what}")
        return made


def _price_key(price: stripe.Price) -> str | None:
    name: str | None = price.metadata.to_dict().get("price_key")
    return name
