"""Once a day has cost the cap, nobody is admitted before midnight UTC; L7, the denial of wallet."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from local.stream import Stream
from tests.integration.quota.feed import CENT, deliver, image, record, spent, with_cap
from tests.integration.quota.house import (
    INPUT,
    MODEL,
    NOON,
    OUTPUT,
    TODAY,
    House,
    catalogue,
    finished,
)
from tollgate.catalogue import Catalogue
from tollgate.quota.admission import Admitted
from tollgate.quota.refusal import Refused
from tollgate.quota.spend import FRESH, SpendCapReached, SpendSwitch
from tollgate.table import keys
from tollgate.table.client import Unavailable

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
DEAREST = (INPUT * 1_000 + OUTPUT * 5_000) * 10


@pytest.fixture
def capped(house: House) -> House:
    """Ten cents a day."""
    house.catalogue = with_cap(house.catalogue, 10)
    return house


def switch(house: House) -> SpendSwitch:
    """That of a process which has just begun."""
    return SpendSwitch(house.table, house.catalogue.daily_spend_cap, house.clock)


def is_open(spend: SpendSwitch) -> bool:
    """As a request finds it."""
    if not spend.is_fresh():
        spend.refresh()
    try:
        spend.check()
    except SpendCapReached:
        return False
    return True


def spend_cents(house: House, place: int, cents: float) -> None:
    assert deliver(house, [record(place, image(int(cents * CENT), house.clock()))]) == []


def test_the_cap_itself_shuts_and_a_nano_dollar_less_does_not(capped: House) -> None:
    deliver(capped, [record(1, image(10 * CENT - 1))])
    assert is_open(switch(capped))
    deliver(capped, [record(2, image(1))])
    closed = switch(capped)
    closed.refresh()
    with pytest.raises(SpendCapReached) as refused:
        closed.check()
    assert refused.value.resets_at == MIDNIGHT


def test_the_next_day_opens_at_midnight_without_any_event(capped: House) -> None:
    spend_cents(capped, 1, 10)
    capped.clock.now = MIDNIGHT - timedelta(seconds=1)
    spend = switch(capped)
    assert not is_open(spend)
    capped.clock.advance(seconds=1)
    assert is_open(spend)


def test_what_was_spent_yesterday_does_not_count_today(capped: House) -> None:
    spend_cents(capped, 1, 9)
    capped.clock.now = MIDNIGHT
    spend_cents(capped, 2, 9)
    assert is_open(switch(capped))


def test_a_receipt_of_yesterday_that_comes_late_shuts_no_day(capped: House) -> None:
    capped.clock.now = MIDNIGHT
    deliver(capped, [record(1, image(20 * CENT, NOON))])
    assert capped.direct.get(keys.spend_switch(TODAY)) is None
    assert is_open(switch(capped))


def test_a_raised_cap_opens_again_and_shuts_again(capped: House) -> None:
    spend_cents(capped, 1, 11)
    assert not is_open(switch(capped))
    capped.catalogue = with_cap(capped.catalogue, 20)
    assert is_open(switch(capped))
    spend_cents(capped, 2, 9)
    assert not is_open(switch(capped))


def test_a_cap_that_is_removed_opens_and_asks_the_store_for_nothing(capped: House) -> None:
    spend_cents(capped, 1, 11)
    capped.catalogue = with_cap(capped.catalogue, None)
    assert capped.wire.made_by(lambda: is_open(switch(capped))) == []
    assert is_open(switch(capped))


def test_a_count_that_saw_less_does_not_lower_the_switch(capped: House) -> None:
    capped.wire.before["update_item"] = lambda: spend_cents(capped, 2, 5)
    spend_cents(capped, 1, 8)
    item = capped.direct.get(keys.spend_switch(TODAY))
    assert item is not None
    assert int(item["spent"]["N"]) == 13 * CENT
    assert not is_open(switch(capped))


def test_an_alarm_a_day_and_a_warning_before_it(
    capped: House, caplog: pytest.LogCaptureFixture
) -> None:
    for place in range(15):
        spend_cents(capped, place, 1)
    told = [each for each in caplog.records if each.message != "spend_counted"]
    assert [each.message for each in told] == ["spend_cap_near", "spend_cap_reached"]
    assert (told[0].__dict__.get("Alarm"), told[1].__dict__["Alarm"]) == (None, 1)
    capped.clock.now = MIDNIGHT
    caplog.clear()
    spend_cents(capped, 20, 30)
    assert "spend_cap_reached" in caplog.messages


def test_who_dies_between_the_alarm_and_the_switch_raises_it_again(
    capped: House, caplog: pytest.LogCaptureFixture
) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    capped.wire.before["update_item"] = die
    with pytest.raises(KeyboardInterrupt):
        spend_cents(capped, 1, 10)
    spend_cents(capped, 1, 10)
    assert caplog.messages.count("spend_cap_reached") == 2
    assert not is_open(switch(capped))


def test_the_days_spend_is_a_metric_in_whole_cents(
    capped: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        spend_cents(capped, 1, 2.5)
        spend_cents(capped, 2, 2.5)
    lines = [each.__dict__ for each in caplog.records if each.message == "spend_counted"]
    assert [(each["day"], each["SpentCents"]) for each in lines] == [(TODAY, 2), (TODAY, 5)]


def test_a_warm_process_reads_once_in_five_seconds(capped: House) -> None:
    spend = switch(capped)
    assert capped.wire.made_by(lambda: is_open(spend)) == ["get_item"]
    capped.clock.advance(seconds=4.999)
    assert capped.wire.made_by(lambda: is_open(spend)) == []
    capped.clock.advance(seconds=0.001)
    assert capped.wire.made_by(lambda: is_open(spend)) == ["get_item"]


def test_a_clock_that_is_set_back_makes_no_verdict_last_longer(capped: House) -> None:
    spend = switch(capped)
    assert is_open(spend)
    capped.clock.advance(hours=-1)
    assert not spend.is_fresh()


def test_a_switch_that_cannot_be_read_admits_nobody(capped: House) -> None:
    """P8. Also where an old verdict is remembered."""
    spend = switch(capped)
    assert is_open(spend)
    capped.clock.advance(seconds=FRESH.seconds)

    def unavailable() -> None:
        raise Unavailable("in a test")

    capped.wire.before["get_item"] = unavailable
    with pytest.raises(Unavailable):
        is_open(spend)


@dataclass
class Crowd:
    """Accounts that ask in turn, ten times a second, at four processes."""

    house: House
    accounts: int
    seconds_open: float = 0
    open: deque[tuple[datetime, str, str, Admitted]] = field(default_factory=deque)
    most_open: int = 0
    shut_out: int = 0

    A_SECOND = 10

    def __post_init__(self) -> None:
        self.names = [self.house.open_account(f"acc_{n}") for n in range(self.accounts)]
        self.hint = self.house.hint(self.names[0])
        self.processes = [switch(self.house) for _ in range(4)]

    def run(self, asked: int, every_second: Callable[[int], None]) -> None:
        """Each of them asks that often."""
        for n in range(self.accounts * asked):
            self.house.clock.advance(seconds=1 / self.A_SECOND)
            spend = self.processes[n % len(self.processes)]
            self._ask(f"gen_{n}", self.names[n % self.accounts], spend)
            self._settle(self.house.clock() - timedelta(seconds=self.seconds_open))
            if n % self.A_SECOND == 0:
                every_second(n // self.A_SECOND)
        self._settle(self.house.clock())

    def cost(self, account: str) -> int:
        return sum(int(each.cost) for each in self.house.receipts(account).values())

    def _ask(self, generation: str, account: str, spend: SpendSwitch) -> None:
        if not is_open(spend):
            self.shut_out += 1
            return
        try:
            admitted = self.house.admit(generation, account, self.hint)
        except Refused:
            return
        self.open.append((self.house.clock(), account, generation, admitted))
        self.most_open = max(self.most_open, len(self.open))

    def _settle(self, begun_before: datetime) -> None:
        while self.open and self.open[0][0] <= begun_before:
            _, account, generation, admitted = self.open.popleft()
            usage = finished(INPUT, admitted.output_tokens)
            self.house.settle(generation, admitted.hold, usage, account)


def dear(cents: int, month: int) -> Catalogue:
    """A cent pays for two generations."""
    model = msgspec.structs.replace(MODEL, input_price=1_000, output_price=5_000)
    return msgspec.structs.replace(
        with_cap(catalogue(month=month), cents), models={MODEL.id: model}
    )


def test_a_crowd_costs_at_most_the_cap_and_the_bound_of_its_overshoot(
    house: House, stream: Stream
) -> None:
    """L7. The feed is slow: it is read every third second."""
    cap, feed_seconds = 10, 3
    house.catalogue = dear(cap, month=100_000)
    crowd = Crowd(house, accounts=20, seconds_open=2)
    crowd.run(100, lambda second: None if second % feed_seconds else stream.poll())
    stream.poll()

    total = sum(crowd.cost(each) for each in crowd.names)
    latest = feed_seconds + FRESH.seconds
    bound = (crowd.most_open + crowd.A_SECOND * latest) * DEAREST
    assert spent(house) == total
    assert cap * CENT < total <= cap * CENT + bound
    house.clock.advance(seconds=FRESH.seconds)
    assert not any(is_open(each) for each in crowd.processes)
    assert crowd.shut_out > 1_000


def test_a_crowd_under_the_cap_costs_at_most_what_its_accounts_may(
    house: House, stream: Stream
) -> None:
    """L7. Their months end them, and the cap shuts nobody out."""
    house.catalogue = dear(1_000, month=1_000)
    crowd = Crowd(house, accounts=10)
    crowd.run(20, lambda _: stream.poll())
    most = 1_000 * 5_000 * 10
    assert all(most / 2 < crowd.cost(each) <= most for each in crowd.names)
    assert crowd.shut_out == 0
    assert spent(house) == sum(crowd.cost(each) for each in crowd.names)
