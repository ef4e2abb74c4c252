"""The rule alone: whatever the order of charges and looks, what is sold ends at the overage."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tollgate.quota.overage import part

MONTH = 100


@given(
    amounts=st.lists(st.integers(-60, 60), max_size=12),
    looks=st.lists(st.integers(0, 11), max_size=30),
    seed=st.randoms(use_true_random=False),
)
def test_what_is_sold_stays_within_what_is_open_and_ends_at_the_overage(
    amounts: list[int], looks: list[int], seed: Random
) -> None:
    """The gate follows charges in their order; looks come in any, and again."""
    spent = sold = 0
    seen: set[int] = set()
    followed = 0

    def overage() -> int:
        return max(0, spent - MONTH)

    def look(charge: int) -> None:
        nonlocal sold
        moved = part(overage(), sold, amounts[charge])
        assert abs(moved) <= abs(amounts[charge])
        sold += moved
        seen.add(charge)

    steps = [*looks, *[None] * len(amounts)]
    seed.shuffle(steps)
    for step in steps:
        if step is None:
            spent += amounts[followed]
            followed += 1
        elif step < followed:
            look(step)
        unseen = [amounts[each] for each in range(followed) if each not in seen]
        charged = sum(each for each in unseen if each > 0)
        given_back = sum(each for each in unseen if each < 0)
        assert overage() - charged <= sold <= overage() - given_back
    for charge in range(len(amounts)):
        look(charge)
    assert sold == overage()
