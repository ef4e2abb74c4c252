"""A hold grows to cover what the store remembers, and never past the month."""

from tests.integration.quota.house import HOLD, INPUT, OUTPUT, PERIOD, House, catalogue
from tollgate.quota.admission import Admitted, Visitor
from tollgate.quota.extend_hold import extend_hold
from tollgate.tenancy.gate import number

VISITOR = Visitor("acc_1", "usr_1", "ses_1", "gen_1")


def extended(house: House, admitted: Admitted, tokens: int) -> Admitted:
    return extend_hold(house.table, VISITOR, admitted, tokens)


def test_an_extension_is_held_and_counted(house: House) -> None:
    house.open_account()

    grown = extended(house, house.admit("gen_1"), 60)

    assert (grown.hold.tokens, grown.hold.input_tokens) == (HOLD + 60, INPUT + 60)
    assert house.gate().used == {PERIOD: HOLD + 60}
    assert grown.output_tokens == OUTPUT


def test_an_extension_past_the_month_is_left_out(house: House) -> None:
    house.catalogue = catalogue(month=HOLD + 59)
    house.open_account()

    kept = extended(house, house.admit("gen_1"), 60)

    assert kept.hold.tokens == HOLD
    assert house.gate().used == {PERIOD: HOLD}


def test_the_last_token_of_the_month_may_be_held(house: House) -> None:
    house.catalogue = catalogue(month=HOLD + 60)
    house.open_account()
    assert extended(house, house.admit("gen_1"), 60).hold.tokens == HOLD + 60


def test_a_repeated_extension_counts_once(house: House) -> None:
    """As botocore repeats a write whose answer it did not see."""
    house.open_account()
    admitted = house.admit("gen_1")

    extended(house, admitted, 60)
    again = extended(house, admitted, 60)

    assert again.hold.tokens == HOLD + 60
    assert house.gate().used == {PERIOD: HOLD + 60}


def test_a_metered_hold_grows_past_the_month(house: House) -> None:
    house.open_account(plan="team")
    month = house.catalogue.plans["team"].month
    assert extended(house, house.admit("gen_1"), month).hold.tokens == HOLD + month


def test_a_hold_that_is_being_reclaimed_does_not_grow(house: House) -> None:
    house.open_account()
    admitted = house.admit("gen_1")
    pinned = {"gen_1": {"M": {**admitted.hold.value()["M"], "x": number(1)}}}
    house.edit(changes={"open": {"M": pinned}})

    assert extended(house, admitted, 60).hold.tokens == HOLD
    assert house.gate().used == {PERIOD: HOLD}


def test_a_settled_generation_does_not_grow(house: House) -> None:
    house.open_account()
    admitted = house.admit("gen_1")
    house.settle("gen_1", admitted.hold)

    assert extended(house, admitted, 60).hold == admitted.hold
    assert house.gate().used == {PERIOD: INPUT + 10}


def test_a_hold_of_a_metered_plan_does_not_grow_past_the_month_of_a_lower_one(
    house: House,
) -> None:
    """Admitted under a plan without a month's end, which was left before the hold grew."""
    house.open_account(plan="team")
    admitted = house.admit("gen_1")
    house.change_plan("free", None)

    kept = extended(house, admitted, 100_000)

    assert kept.hold.tokens == HOLD
    assert house.gate().used == {PERIOD: HOLD}
