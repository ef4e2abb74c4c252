"""Q11: never more than so many in any sixty seconds, at whatever spacing."""

import random
from datetime import datetime, timedelta
from functools import partial

import pytest

from tests.integration.quota.house import House, catalogue, race
from tollgate.quota.admission import Admitted
from tollgate.quota.refusal import Refused
from tollgate.tenancy.gate import milliseconds

MINUTE = timedelta(seconds=60)


def most_in_any_minute(admitted: list[datetime]) -> int:
    """Of half-open minutes: an admission sixty seconds after another is in the next."""
    return max(sum(start <= each < start + MINUTE for each in admitted) for start in admitted)


@pytest.mark.parametrize("per_minute", [1, 3, 10])
@pytest.mark.parametrize("longest_pause", [1, 7, 15])
def test_any_minute_has_no_more_than_its_limit_and_a_pressing_caller_gets_it_all(
    house: House, per_minute: int, longest_pause: int
) -> None:
    house.catalogue = catalogue(per_minute=per_minute)
    house.open_account()
    hint, spacing = house.hint(), random.Random(f"{per_minute}/{longest_pause}")  # noqa: S311  a seed, no secret
    admitted: list[datetime] = []
    for n in range(100):
        house.clock.advance(milliseconds=spacing.randrange(longest_pause * 1_000))
        earlier = [each for each in admitted if house.clock() - each < MINUTE]
        try:
            house.admit(f"gen_{n}", hint=hint)
        except Refused:
            assert len(earlier) == per_minute
        else:
            assert len(earlier) < per_minute
            admitted.append(house.clock())
    assert most_in_any_minute(admitted) <= per_minute
    newest = tuple(map(milliseconds, reversed(admitted[-per_minute:])))
    assert house.gate().admissions[: len(newest)] == newest


def test_a_refused_caller_who_waits_as_told_is_let_in(house: House) -> None:
    house.catalogue = catalogue(per_minute=2)
    house.open_account()
    house.admit("gen_1")
    house.clock.advance(seconds=12)
    house.admit("gen_2")
    with pytest.raises(Refused) as refused:
        house.admit("gen_3")
    retry_after = refused.value.refusal.retry_after
    assert retry_after == 48
    house.clock.advance(seconds=retry_after - 1)
    with pytest.raises(Refused):
        house.admit("gen_3")
    house.clock.advance(seconds=1)
    house.admit("gen_3")


def test_a_burst_at_once_admits_exactly_ten(house: House) -> None:
    house.catalogue = catalogue(per_minute=10)
    house.open_account()
    hint = house.hint()
    outcomes = race([partial(house.admit, f"gen_{n}", hint=hint) for n in range(50)], at_once=25)
    assert sum(isinstance(each, Admitted) for each in outcomes) == 10
    assert {each.refusal.scope for each in outcomes if isinstance(each, Refused)} == {"minute"}


def test_the_window_survives_a_change_of_plan(house: House) -> None:
    house.catalogue = catalogue(per_minute=1)
    house.open_account()
    house.admit("gen_1")
    house.change_plan("pro", house.clock())
    with pytest.raises(Refused) as refused:
        house.admit("gen_2")
    assert refused.value.refusal.scope == "minute"
