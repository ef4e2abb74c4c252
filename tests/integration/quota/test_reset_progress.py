"""F4: what one run could not close is forgotten by nobody who has not closed it."""

from datetime import timedelta

from tests.integration.quota.house import NOON, House
from tollgate.quota.reset_progress import Left, forget, leave, left

LATER = NOON + timedelta(hours=1)


def noted(house: House) -> dict[str, Left]:
    return {name: note for page in left(house.direct, 10) for name, note in page.items()}


def test_an_account_is_left_since_its_first_sweep_until_its_last(house: House) -> None:
    news = [leave(house.table, "acc_1", until) for until in (NOON, NOON, LATER, NOON)]
    assert news == [True, False, False, False]
    assert noted(house) == {"acc_1": Left(NOON, LATER)}


def test_who_closed_what_an_older_sweep_left_does_not_forget_for_a_newer_one(house: House) -> None:
    leave(house.table, "acc_1", NOON)
    seen = noted(house)["acc_1"]
    leave(house.table, "acc_1", LATER)
    forget(house.table, "acc_1", seen)
    assert noted(house) == {"acc_1": Left(NOON, LATER)}


def test_what_is_closed_is_forgotten_and_may_be_left_anew(house: House) -> None:
    leave(house.table, "acc_1", NOON)
    for _ in range(2):
        forget(house.table, "acc_1", Left(NOON, NOON))
        assert noted(house) == {}
    assert leave(house.table, "acc_1", LATER)
    assert noted(house) == {"acc_1": Left(LATER, LATER)}
