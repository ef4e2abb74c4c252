"""Q11: hosts whose clocks disagree keep one minute, by the date of the store's answers."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.quota.house import DEMAND, SESSION, House, catalogue
from tollgate.clock import StoreClock, utc_now
from tollgate.quota.admission import Admission, Admitted, Visitor
from tollgate.quota.refusal import Refused
from tollgate.table import keys
from tollgate.table.client import connect
from tollgate.tenancy.gate import CALENDAR, Limits, born, milliseconds

ABOUT_A_SECOND = timedelta(seconds=1.5)


@pytest.fixture(autouse=True)
def environment(engine_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", engine_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Host:
    """A function's process on a machine of its own."""

    def __init__(self, house: House, table_name: str, wrong: timedelta) -> None:
        self.clock = StoreClock(lambda: datetime.now(UTC) + wrong)
        self.table = connect(table_name, self.clock)
        self.admission = Admission(self.table, house.catalogue, self.clock, lambda _: None)
        self.hint = house.hint()

    def admit(self, generation: str) -> Admitted:
        visitor = Visitor("acc_1", "usr_1", SESSION, generation)
        return self.admission.admit(visitor, self.hint, lambda _: DEMAND)


def test_two_hosts_three_minutes_apart_keep_one_minute(house: House, table_name: str) -> None:
    house.catalogue = catalogue(per_minute=4)
    limits = Limits.of(house.catalogue.lowest, CALENDAR)
    house.direct.put(born("acc_1", limits, {SESSION: milliseconds(utc_now()) + 3_600_000}))
    slow = Host(house, table_name, timedelta(seconds=-90))
    fast = Host(house, table_name, timedelta(seconds=90))
    for host in (slow, fast):
        host.table.get(keys.health())
    for n, host in enumerate((slow, fast, slow, fast)):
        admitted_at = datetime.fromtimestamp(host.admit(f"gen_{n}").hold.at / 1_000, UTC)
        assert abs(admitted_at - utc_now()) < ABOUT_A_SECOND
    for host in (slow, fast):
        with pytest.raises(Refused) as refused:
            host.admit("gen_refused")
        assert refused.value.refusal.scope == "minute"
        assert 58 <= (refused.value.refusal.retry_after or 0) <= 62
    assert len(house.gate().open) == 4


def test_an_answer_that_refuses_corrects_the_clock_too(house: House, table_name: str) -> None:
    """Q14: the second try of a slow host that met a closed period has the true time."""
    house.catalogue = catalogue()
    limits = Limits.of(house.catalogue.lowest, CALENDAR)
    house.direct.put(born("acc_1", limits, {SESSION: milliseconds(utc_now()) + 3_600_000}))
    current = house.gate().period(utc_now())
    past = house.gate().period(current.start - timedelta(days=1))
    house.edit(changes={"closed": {"S": past.name}})
    host = Host(house, table_name, current.start - timedelta(days=1) - utc_now())
    assert host.admit("gen_1").hold.period == current.name
