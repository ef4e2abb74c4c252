"""What receipts say was sold is exactly what a metered plan's period spent beyond its month."""

from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.integration.quota.house import HOLD, House, failed, finished, race
from tollgate.quota.claw_back import claw_back, receipt
from tollgate.quota.limits import write_limits
from tollgate.quota.overage import charges, fix_overage
from tollgate.table import keys
from tollgate.table.client import Unavailable, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from tollgate.quota.gate import Hold
    from tollgate.quota.settlement import Usage

MONTH = 1_000
SEEDS = range(8)


def look(house: House, generation: str) -> int:
    """As whoever reports usage does, having read the receipt afresh."""
    found = house.receipts()[generation]
    return sum(fix_overage(house.table, found, each, house.clock()) for each in charges(found))


def sold(house: House) -> int:
    found = [each for name, each in house.receipts().items() if name.startswith("gen_")]
    return int(sum((each.overage or 0) + (each.late_overage or 0) for each in found))


def spent(house: House) -> int:
    generations = (each for each in house.receipts().values() if each.outcome != "refunded")
    return sum(each.charged_tokens for each in generations)


def generate(house: House, name: str, tokens: int) -> None:
    house.settle(name, house.admit(name).hold, finished(tokens, 0))


def refund(house: House, name: str, tokens: int) -> None:
    """As billing takes an allowance back."""
    gate = house.gate()
    plan = house.catalogue.plans[gate.tenant.limits.plan]
    period = gate.period(house.clock()).name
    change = claw_back("acc_1", plan, period, tokens)
    house.direct.transact(
        receipt("acc_1", name, period, tokens, "v1", house.clock()),
        update(keys.gate("acc_1"), write_limits(gate.tenant, gate.tenant.limits, change)),
    )


def unavailable() -> None:
    raise Unavailable("in a test")


class History:
    """One account's random life, with a look at some receipt after every step."""

    def __init__(self, house: House, random: Random) -> None:
        self.house, self.random = house, random
        self.running: dict[str, Hold] = {}
        self.reclaimed: dict[str, Hold] = {}
        self.steps: list[Callable[[], object]] = [
            self.admit,
            self.admit,
            self.settle,
            self.settle,
            self.die_before_the_gate_follows,
            self.reclaim,
            self.settle_late,
            self.refund,
        ]
        self.made = 0

    def name(self) -> str:
        self.made += 1
        return f"gen_{self.made}"

    def admit(self) -> None:
        name = self.name()
        self.running[name] = self.house.admit(name).hold

    def settle(self) -> None:
        if self.running:
            name = self.random.choice(sorted(self.running))
            self.house.settle(name, self.running.pop(name), self.usage())

    def die_before_the_gate_follows(self) -> None:
        self.house.wire.before["update_item"] = unavailable
        with suppress(Unavailable):
            self.settle()
        self.house.wire.before.clear()

    def reclaim(self) -> None:
        self.house.clock.advance(minutes=7)
        self.reclaimed |= self.running
        self.running.clear()
        self.house.reclaim()

    def settle_late(self) -> None:
        if self.reclaimed:
            name = self.random.choice(sorted(self.reclaimed))
            self.house.settle(name, self.reclaimed.pop(name), self.usage())

    def refund(self) -> None:
        refund(self.house, f"re_{self.made}_{self.random.random()}", self.random.randint(1, 200))

    def usage(self) -> "Usage":
        if self.random.random() < 0.1:
            return failed()
        return finished(self.random.randint(0, HOLD), 0)

    def look(self) -> None:
        decided = [each for each in self.house.receipts() if each.startswith("gen_")]
        if decided:
            look(self.house, self.random.choice(sorted(decided)))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_parts_add_up_in_every_history(house: House, seed: int) -> None:
    """P4."""
    random = Random(seed)  # noqa: S311  no secret
    house.open_account(plan="team")
    history = History(house, random)
    for _ in range(50):
        random.choice(history.steps)()
        history.look()
    history.reclaim()
    if seed % 2:
        house.clock.advance(days=32)
        house.close_all()
    names = [each for each in house.receipts() if each.startswith("gen_")]
    random.shuffle(names)
    for name in names * 2:
        look(house, name)
    assert sold(house) == max(0, spent(house) - MONTH)


def test_looks_at_the_same_time_sell_nothing_twice(house: House) -> None:
    house.open_account(plan="team")
    for n in range(16):
        generate(house, f"gen_{n}", 100)
    race([partial(look, house, f"gen_{n % 16}") for n in range(48)], at_once=4)
    for n in range(16):
        look(house, f"gen_{n}")
    assert sold(house) == 600


def test_a_look_that_came_between_is_known_to_the_one_that_waited(house: House) -> None:
    house.open_account(plan="team")
    generate(house, "gen_1", 600)
    generate(house, "gen_2", 500)
    house.wire.before["transact_write_items"] = partial(look, house, "gen_2")
    assert look(house, "gen_1") == 0
    assert sold(house) == 100


def test_what_was_given_back_meanwhile_is_not_sold(house: House) -> None:
    """The look that came between sold nothing, and is known all the same."""
    house.open_account(plan="team")
    hold = house.admit("gen_late").hold
    house.clock.advance(minutes=7)
    house.reclaim()
    generate(house, "gen_1", MONTH)

    def give_back() -> None:
        house.settle("gen_late", hold, failed())
        look(house, "gen_late")

    house.wire.before["transact_write_items"] = give_back
    assert look(house, "gen_1") == 0
    assert sold(house) == 0


def test_a_late_settlement_gives_back_what_its_reclaim_had_sold(house: House) -> None:
    house.open_account(plan="team")
    hold = house.admit("gen_late").hold
    house.clock.advance(minutes=7)
    house.reclaim()
    generate(house, "gen_1", MONTH)
    assert look(house, "gen_1") == house.receipts()["gen_late"].charged_tokens > 0
    house.settle("gen_late", hold, failed())
    look(house, "gen_late")
    assert sold(house) == 0


def test_nothing_is_looked_up_beyond_the_gate_within_the_month(house: House) -> None:
    house.open_account(plan="team")
    generate(house, "gen_1", MONTH)
    found = house.receipts()["gen_1"]
    [charge] = charges(found)
    asked = house.wire.made_by(partial(fix_overage, house.table, found, charge, house.clock()))
    assert asked == ["get_item", "get_item"]
    assert sold(house) == 0


def test_a_decided_hold_that_was_left_behind_is_followed_first(house: House) -> None:
    house.open_account(plan="team")
    hold = house.admit("gen_1").hold
    house.wire.before["update_item"] = unavailable
    with pytest.raises(Unavailable):
        house.settle("gen_1", hold, finished(MONTH + 7, 0))
    assert look(house, "gen_1") == 7
    assert house.gate().open == {}


def test_a_plan_without_a_meter_writes_none_on_its_receipts(house: House) -> None:
    house.open_account(plan="pro")
    generate(house, "gen_1", 50)
    house.change_plan("team", None)
    generate(house, "gen_2", 50)
    found = house.receipts()
    assert [each.meter for each in found.values()] == [None, "tokens"]
    assert [each.included for each in found.values()] == [None, MONTH]


def test_what_another_plan_included_is_never_sold(house: House) -> None:
    """Pro's month is the larger one here: coming down from it sells what is used from then on."""
    house.open_account(plan="pro")
    generate(house, "gen_1", 5_000)
    house.change_plan("team", None)
    generate(house, "gen_2", 60)
    house.change_plan("pro", None)
    generate(house, "gen_3", 500)
    assert look(house, "gen_2") == 60
    assert sold(house) == 60


def test_what_was_used_before_an_upgrade_counts_against_the_month(house: House) -> None:
    house.open_account(plan="free")
    generate(house, "gen_1", 900)
    house.change_plan("team", None)
    generate(house, "gen_2", 250)
    assert look(house, "gen_2") == 150


def test_a_refund_takes_allowance_and_sells_nothing(house: House) -> None:
    house.open_account(plan="team")
    refund(house, "re_1", 5_000)
    generate(house, "gen_1", MONTH + 3)
    assert look(house, "gen_1") == 3
