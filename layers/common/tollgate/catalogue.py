"""plans.toml, checked as a whole before anything is served: what loads here needs no check later.

Tokens are model tokens, amounts are minor units (cents), and `None` means unlimited, which the
file writes as the string "unlimited".
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

_PACKAGED = Path(__file__).with_name("plans.toml")
_DEFAULT = _PACKAGED if _PACKAGED.exists() else Path(__file__).parents[3] / "plans.toml"

_UNLIMITED = "unlimited"
_NAME = re.compile(r"[a-z0-9_-]+")
_FIELD = re.compile(r"Object (?:contains )?(missing|unknown) (?:required )?field `(.+)`")

Entry = TypeVar("Entry")

Amount = Annotated[int, msgspec.Meta(ge=0)]
Limit = Annotated[int, msgspec.Meta(ge=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{3}\Z")]


class CatalogueError(ValueError):
    """The catalogue is unusable: the message names the file, the dotted key and what is wrong."""


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Stripe charges for a plan; `key` is the lookup key that names it there."""

    key: Text
    interval: Literal["month", "year"]
    amount: Limit
    currency: Currency


class Overage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each million tokens beyond the month's costs `amount`, reported to Stripe's `meter`."""

    amount: Limit
    currency: Currency
    meter: Text


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle of limits and what it costs; one without prices cannot be bought."""

    id: str
    name: Text
    day: Limit | None
    month: Limit
    concurrent: Limit
    input_tokens: Limit
    output_tokens: Limit
    overage: Overage | None = None
    prices: tuple[Price, ...] = ()
    features: tuple[Text, ...] = ()

    @property
    def metered_keys(self) -> Mapping[str, str]:
        """The lookup key of the price that sells what goes beyond, by that of the price which it
        stands beside: one for each interval, since a subscription has one.
        """
        if self.overage is None:
            return {}
        named = f"{self.id}_{self.overage.meter}"
        return {price.key: f"{named}_{price.interval}" for price in self.prices}


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's model and what it costs us for a million tokens in and out."""

    id: str
    provider: Literal["openai", "anthropic"]
    input_price: Amount
    output_price: Amount


class Blueprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system prompt that is sent as it stands: a person's text is never formatted into it.

    `plan` is the lowest plan that may use it, `model` the alias used when a client names none.
    """

    slug: str
    label: Text
    description: Text
    plan: str
    model: str
    system: Text


class CheckoutOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Stripe's page asks for besides a card; a tax is added only to what Stripe Tax covers."""

    promotion_codes: bool = False
    tax_ids: bool = False
    automatic_tax: bool = False


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's top level; the tables' entries are converted one by one, so errors name them."""

    per_minute: Annotated[int, msgspec.Meta(ge=1, le=10)] | None
    trial_days: Annotated[int, msgspec.Meta(ge=0, le=730)]
    grace_days: Amount
    daily_spend_cap: Limit | None
    plans: dict[str, Any]
    models: dict[str, Any]
    routes: dict[str, Any]
    blueprints: dict[str, Any]
    checkout: CheckoutOptions = msgspec.field(default_factory=CheckoutOptions)


class Catalogue(msgspec.Struct, frozen=True):
    """Plans from the lowest to the highest, and what each may use.

    `version` names the file's bytes: a receipt that carries it can be priced again years later.
    `daily_spend_cap` is in cents, for all accounts together.
    """

    version: str
    per_minute: int | None
    trial_days: int
    grace_days: int
    daily_spend_cap: int | None
    plans: Mapping[str, Plan]
    models: Mapping[str, Model]
    routes: Mapping[str, Mapping[str, tuple[Model, ...]]]
    blueprints: Mapping[str, Blueprint]
    checkout: CheckoutOptions = msgspec.field(default_factory=CheckoutOptions)

    @property
    def lowest(self) -> Plan:
        """The plan of everybody who pays for none."""
        return next(iter(self.plans.values()))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The model names that a client may ask for; the first is the default."""
        return tuple(self.routes)

    def route(self, alias: str, plan_id: str) -> tuple[Model, ...]:
        """The models to try in order; KeyError for an alias or a plan that does not exist."""
        return self.routes[alias][plan_id]

    def price(self, key: str | None) -> Price | None:
        """None as in `plan_of_price`."""
        prices = (price for plan in self.plans.values() for price in plan.prices)
        return next((price for price in prices if price.key == key), None)

    def plan_of_price(self, key: str) -> Plan | None:
        """None for a price that is not ours: never a reason to treat its buyer as free."""
        for plan in self.plans.values():
            if any(price.key == key for price in plan.prices):
                return plan
        return None

    @property
    def metered_keys(self) -> Mapping[str, str]:
        """Those of all plans."""
        return {
            key: metered
            for plan in self.plans.values()
            for key, metered in plan.metered_keys.items()
        }

    def includes(self, plan_id: str, required_plan_id: str) -> bool:
        """A plan includes itself and every lower one; ValueError for a plan that does not exist."""
        order = tuple(self.plans)
        return order.index(plan_id) >= order.index(required_plan_id)


def load(path: Path | None = None) -> Catalogue:
    """A catalogue in which every name resolves, or a CatalogueError; no path means our own file."""
    file = path or _DEFAULT
    try:
        content = file.read_bytes()
        return _catalogue(tomllib.loads(content.decode()), hashlib.sha256(content).hexdigest()[:12])
    except OSError as error:
        raise CatalogueError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, not TOML, or one of ours, which names only the key
        raise CatalogueError(f"{file}: {error}") from error


def _catalogue(content: dict[str, Any], version: str) -> Catalogue:
    content = _with_none(_with_none(content, "per_minute"), "daily_spend_cap")
    document = _convert(content, _Document, "")
    plans = {
        name: _convert(_with_none(entry, "day"), Plan, f"plans.{name}")
        for name, entry in _keyed(document.plans, "plans", "id")
    }
    models = {
        name: _convert(entry, Model, f"models.{name}")
        for name, entry in _keyed(document.models, "models", "id")
    }
    blueprints = {
        name: _convert(entry, Blueprint, f"blueprints.{name}")
        for name, entry in _keyed(document.blueprints, "blueprints", "slug")
    }
    _check_plans(plans)
    routes = _routes(document.routes, plans, models)
    for slug, blueprint in blueprints.items():
        _check_known(blueprint.plan, plans, f"blueprints.{slug}.plan")
        _check_known(blueprint.model, routes, f"blueprints.{slug}.model")
    return Catalogue(
        version=version,
        per_minute=document.per_minute,
        trial_days=document.trial_days,
        grace_days=document.grace_days,
        daily_spend_cap=document.daily_spend_cap,
        plans=plans,
        models=models,
        routes=routes,
        blueprints=blueprints,
        checkout=document.checkout,
    )


def _check_plans(plans: Mapping[str, Plan]) -> None:
    if not plans:
        raise CatalogueError("plans: must hold at least one plan")
    lowest = next(iter(plans.values()))
    if lowest.prices:
        raise CatalogueError(f"plans.{lowest.id}.prices: the lowest plan must be free of charge")
    owners: dict[str, str] = {}
    for plan in plans.values():
        for index, price in enumerate(plan.prices):
            where = f"plans.{plan.id}.prices[{index}].key"
            if price.key in owners:
                raise CatalogueError(f"{where}: {price.key!r} stands at {owners[price.key]} too")
            owners[price.key] = where
        _check_overage(plan)


def _check_overage(plan: Plan) -> None:
    """Stripe bills a subscription in one currency."""
    if plan.overage is None:
        return
    where, currency = f"plans.{plan.id}.overage", plan.overage.currency
    if any(price.currency != currency for price in plan.prices):
        raise CatalogueError(f"{where}.currency: the plan's prices are not in {currency!r}")


def _routes(
    table: dict[str, Any], plans: Mapping[str, Plan], models: Mapping[str, Model]
) -> dict[str, dict[str, tuple[Model, ...]]]:
    if not table:
        raise CatalogueError("routes: must hold at least one alias")
    routes: dict[str, dict[str, tuple[Model, ...]]] = {}
    for alias, entry in table.items():
        where = f"routes.{alias}"
        _check_name(alias, where)
        by_plan = _convert(entry, dict[str, Any], where)
        for plan in by_plan:
            _check_known(plan, plans, f"{where}.{plan}")
        routes[alias] = {
            plan: _route(by_plan.get(plan, []), models, f"{where}.{plan}") for plan in plans
        }
    return routes


def _route(entry: object, models: Mapping[str, Model], where: str) -> tuple[Model, ...]:
    names = _convert(entry, tuple[str, ...], where)
    if not names:
        raise CatalogueError(f"{where}: must name at least one model")
    for index, name in enumerate(names):
        _check_known(name, models, f"{where}[{index}]")
    return tuple(models[name] for name in names)


def _keyed(table: dict[str, Any], section: str, field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each entry with its own key as `field`, which the entry itself may therefore not set."""
    for name, value in table.items():
        where = f"{section}.{name}"
        if section != "models":  # providers choose their models' names
            _check_name(name, where)
        entry = _convert(value, dict[str, Any], where)
        if field in entry:
            raise CatalogueError(f"{where}.{field}: is the table's own name; remove it")
        yield name, {field: name, **entry}


def _with_none(entry: dict[str, Any], field: str) -> dict[str, Any]:
    return {**entry, field: None} if entry.get(field) == _UNLIMITED else entry


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise CatalogueError(f"{where}: a name is made of a-z, 0-9, '_' and '-'")


def _check_known(name: str, known: Mapping[str, object], where: str) -> None:
    if name not in known:
        raise CatalogueError(f"{where}: {name!r} is none of {', '.join(known) or 'nothing'}")


def _convert(value: object, kind: type[Entry], where: str) -> Entry:
    """msgspec's complaint, with its `$.day` or its field's name made into our `plans.pro.day`."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem, _, inside = str(error).partition(" - at `$")
        key = where + inside.removesuffix("`")
        if field := _FIELD.fullmatch(problem):
            key, problem = f"{key}.{field[2]}", f"is {field[1]}"
        problem = problem.replace("int | null", f'int | "{_UNLIMITED}"')
        raise CatalogueError(f"{key.lstrip('.') or 'the file'}: {problem}") from error
