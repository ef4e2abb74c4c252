"""plans.toml: what the shipped file promises, and how a mistake in an operator's own is named."""

from pathlib import Path

import pytest

from tollgate.catalogue import Catalogue, CatalogueError, CheckoutOptions, load

FILE = """
per_minute = 10
trial_days = 7
grace_days = 7
daily_spend_cap = 500

[plans.free]
name = "Free"
day = 10
month = 1000
concurrent = 2
input_tokens = 400
output_tokens = 50

[plans.gold]
name = "Gold"
day = "unlimited"
month = 2000
concurrent = 5
input_tokens = 800
output_tokens = 100
prices = [
  { key = "gold_month", interval = "month", amount = 900, currency = "usd" },
  { key = "gold_year", interval = "year", amount = 9000, currency = "usd" },
]

[models.tiny]
provider = "openai"
input_price = 1
output_price = 2

[routes.gpt]
free = ["tiny"]
gold = ["tiny"]

[blueprints.echo]
label = "Echo"
description = "Says it again."
plan = "free"
model = "gpt"
system = "Repeat {x.__class__} {{ config }} %s"
"""

PRICES = 'prices = [{ key = "x", interval = "month", amount = 1, currency = "usd" }]'


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load()


def own(folder: Path, *changes: tuple[str, str]) -> Path:
    text = FILE
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_plans_have_the_advertised_limits(shipped: Catalogue) -> None:
    limits = {
        plan.id: (plan.day, plan.month, plan.concurrent, plan.input_tokens, plan.output_tokens)
        for plan in shipped.plans.values()
    }
    assert limits == {
        "free": (10, 50_000, 2, 4_000, 500),
        "pro": (100, 2_000_000, 5, 16_000, 2_000),
        "team": (None, 10_000_000, 10, 32_000, 2_000),
    }
    assert (shipped.per_minute, shipped.trial_days, shipped.grace_days) == (10, 7, 7)
    assert shipped.daily_spend_cap == 5_000


def test_a_checkout_asks_for_nothing_more_unless_it_is_told_to(
    shipped: Catalogue, tmp_path: Path
) -> None:
    assert shipped.checkout == load(own(tmp_path)).checkout == CheckoutOptions()
    told = ("[plans.free]", "[checkout]\npromotion_codes = true\n[plans.free]")
    assert load(own(tmp_path, told)).checkout == CheckoutOptions(promotion_codes=True)


def test_shipped_prices_are_the_advertised_ones_in_cents(shipped: Catalogue) -> None:
    prices = {
        price.key: (plan.id, price.interval, price.amount, price.currency)
        for plan in shipped.plans.values()
        for price in plan.prices
    }
    assert prices == {
        "pro_monthly": ("pro", "month", 1_900, "usd"),
        "pro_yearly": ("pro", "year", 18_240, "usd"),
        "team_monthly": ("team", "month", 4_900, "usd"),
        "team_yearly": ("team", "year", 47_040, "usd"),
    }
    overage = shipped.plans["team"].overage
    assert overage is not None
    assert (overage.amount, overage.currency, overage.meter) == (1_000, "usd", "model_tokens")
    assert shipped.plans["pro"].overage is None


def test_shipped_free_plan_gets_small_models_and_three_blueprints(shipped: Catalogue) -> None:
    for alias in shipped.aliases:
        free, pro = shipped.route(alias, "free"), shipped.route(alias, "pro")
        assert max(model.output_price for model in free) < min(m.output_price for m in pro)
        assert shipped.route(alias, "team") == pro
    assert [
        sum(shipped.includes(plan, blueprint.plan) for blueprint in shipped.blueprints.values())
        for plan in shipped.plans
    ] == [3, 8, 8]


def test_shipped_routes_fall_back_to_the_other_provider(shipped: Catalogue) -> None:
    first = {"gpt": "openai", "claude": "anthropic"}
    assert set(shipped.aliases) == set(first)
    for alias in shipped.aliases:
        for plan in shipped.plans:
            primary, fallback = (model.provider for model in shipped.route(alias, plan))
            assert (primary, {primary, fallback}) == (first[alias], {"openai", "anthropic"})


def test_shipped_prompts_declare_the_text_to_be_material(shipped: Catalogue) -> None:
    for blueprint in shipped.blueprints.values():
        assert "material" in blueprint.system
        assert 8 <= blueprint.system.count("\n") <= 20


def test_plans_rank_in_the_order_of_the_file(shipped: Catalogue) -> None:
    assert shipped.lowest.id == "free"
    assert shipped.includes("pro", "free")
    assert shipped.includes("pro", "pro")
    assert not shipped.includes("pro", "team")


def test_plan_is_found_by_its_price_and_an_unknown_price_by_none(shipped: Catalogue) -> None:
    plan = shipped.plan_of_price("team_yearly")
    assert plan is not None
    assert plan.id == "team"
    assert shipped.plan_of_price("gold_yearly") is None


def test_unlimited_is_none_and_never_a_number(tmp_path: Path) -> None:
    unlimited = [
        (f"{name} =", f'{name} = "unlimited" #') for name in ("per_minute", "daily_spend_cap")
    ]
    catalogue = load(own(tmp_path, *unlimited))
    assert catalogue.per_minute is None
    assert catalogue.daily_spend_cap is None
    assert catalogue.plans["gold"].day is None


def test_system_prompt_is_taken_literally(tmp_path: Path) -> None:
    assert load(own(tmp_path)).blueprints["echo"].system == "Repeat {x.__class__} {{ config }} %s"


def test_version_changes_with_any_byte_of_the_file(tmp_path: Path) -> None:
    before = load(own(tmp_path)).version
    assert load(own(tmp_path)).version == before
    assert load(own(tmp_path, ("amount = 900,", "amount = 901,"))).version != before


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("day = 10", "day = 0", "plans.free.day: Expected `int` >= 1"),
        ("day = 10", 'day = "none"', 'plans.free.day: Expected `int | "unlimited"`, got `str`'),
        ("day = 10", "day = 10.0", "plans.free.day: "),
        ("day = 10", "", "plans.free.day: is missing"),
        ("day = 10", "day = 10\nhour = 2", "plans.free.hour: is unknown"),
        ("day = 10", 'day = 10\nid = "pro"', "plans.free.id: "),
        ("month = 1000", 'month = "unlimited"', "plans.free.month: "),
        ("concurrent = 2", "concurrent = -1", "plans.free.concurrent: "),
        ("[plans.gold]", "[plans.Gold]", "plans.Gold: a name is made of"),
        ("[plans.gold]", "[plans.'gold ']", "plans.gold : a name is made of"),
        ("per_minute = 10", "per_minute = 11", "per_minute: Expected `int` <= 10"),
        ("per_minute = 10", "per_minute = 0", "per_minute: Expected `int` >= 1"),
        ("per_minute = 10", "", "per_minute: is missing"),
        ("daily_spend_cap = 500", "daily_spend_cap = 0", "daily_spend_cap: Expected `int` >= 1"),
        ("daily_spend_cap = 500", "", "daily_spend_cap: is missing"),
        ("trial_days = 7", "trial_days = true", "trial_days: "),
        ("trial_days = 7", "trial_days = 7\nmoney = 1", "money: is unknown"),
        ("amount = 900,", "amount = 0,", "plans.gold.prices[0].amount: "),
        ('"gold_year"', '"gold_month"', "plans.gold.prices[1].key: 'gold_month' stands at"),
        ('interval = "month"', 'interval = "week"', "plans.gold.prices[0].interval: "),
        ('currency = "usd"', 'currency = "US"', "plans.gold.prices[0].currency: "),
        ("[plans.free]", f"[plans.free]\n{PRICES}", "plans.free.prices: the lowest plan must be"),
        ('provider = "openai"', 'provider = "acme"', "models.tiny.provider: "),
        ('free = ["tiny"]', 'free = ["huge"]', "routes.gpt.free[0]: 'huge' is none of tiny"),
        ('free = ["tiny"]', "free = []", "routes.gpt.free: must name at least one model"),
        ('free = ["tiny"]', "free = [3]", "routes.gpt.free[0]: "),
        ('free = ["tiny"]', "", "routes.gpt.free: must name at least one model"),
        ('free = ["tiny"]', 'free = ["tiny"]\nfoo = ["tiny"]', "routes.gpt.foo: 'foo' is none of"),
        ('[routes.gpt]\nfree = ["tiny"]\ngold = ["tiny"]', "[routes]", "routes: must hold"),
        ("[models.tiny]", "[models]\ntiny = 3\n[x]", "x: is unknown"),
        ('plan = "free"', 'plan = "pro"', "blueprints.echo.plan: 'pro' is none of free, gold"),
        ('model = "gpt"', 'model = "claude"', "blueprints.echo.model: 'claude' is none of gpt"),
        ("[blueprints.echo]", "[blueprints]\necho = 3\n[blueprints.b]", "blueprints.echo: "),
        ('label = "Echo"', 'label = ""', "blueprints.echo.label: "),
        (
            "[plans.free]",
            "[checkout]\ntax_ids = 1\n[plans.free]",
            "checkout.tax_ids: Expected `bool`",
        ),
        ("[plans.free]", "[checkout]\ntips = true\n[plans.free]", "checkout.tips: is unknown"),
        ("[plans.free]", "[plans.free", "Expected "),
    ],
)
def test_mistake_is_named_by_file_and_dotted_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = own(tmp_path, (old, new))
    with pytest.raises(CatalogueError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: {complaint}")


def test_catalogue_without_plans_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text(
        "per_minute = 1\ntrial_days = 0\ngrace_days = 0\ndaily_spend_cap = 1\n"
        "[plans]\n[models]\n[routes]\n[blueprints]"
    )
    with pytest.raises(CatalogueError, match="plans: must hold at least one plan"):
        load(path)


def test_file_that_is_absent_or_not_text_is_a_catalogue_error(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    with pytest.raises(CatalogueError, match=r"absent\.toml: cannot be read: No such file"):
        load(absent)
    absent.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueError, match=r"absent\.toml: "):
        load(absent)
