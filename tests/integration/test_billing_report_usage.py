"""What goes beyond a metered plan's month reaches Stripe's meter once, whatever comes between."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import stripe

from functions.report_usage.app import build
from local import template
from local.stream import Stream
from tests.integration import stripe_laptop
from tests.integration.quota.house import MODEL, House, Wire, finished
from tests.integration.stripe_laptop import Laptop
from tollgate.billing.meter_gateway import MeterGateway
from tollgate.billing.report_usage import Reporting
from tollgate.quota.settlement import FAILED, Usage
from tollgate.table import keys
from tollgate.table.client import Table, Unavailable
from tollgate.tenancy.records import Account

Event = dict[str, Any]

METER = "tokens"  # of the plan team in the house's catalogue, whose month is 1,000 tokens
NOBODY = "http://127.0.0.1:9"


class Context:
    def __init__(self, milliseconds: int = 900_000) -> None:
        self.get_remaining_time_in_millis = lambda: milliseconds


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the meter; only the clock goes on."""
    process.tick(0)
    process.http.post("/control/reset")
    process.client.v1.billing.meters.create(
        {
            "display_name": "Tokens",
            "event_name": METER,
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )
    return process


@dataclass
class Office:
    """One account of the plan team, and the function that reports what it uses."""

    house: House
    laptop: Laptop
    customer: str
    url: str
    given_up: list[Event] = field(default_factory=list)

    def generate(self, name: str, tokens: int) -> Event:
        hold = self.house.admit(name).hold
        self.house.settle(name, hold, finished(tokens, 0))
        return record(name)

    def report(self, *records: Event, url: str = "", context: Any = None) -> list[str]:
        """The sequence numbers that come again."""
        meters = MeterGateway("sk_test_local", url or self.url)
        reporting = Reporting(self.house.table, meters, self.house.clock)
        answer = build(reporting, self.given_up.append)({"Records": records}, context or Context())
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def metered(self, until: datetime | None = None) -> float:
        """What Stripe has counted in the forty days before."""
        meters = self.laptop.client.v1.billing.meters.list().data
        [meter] = [each for each in meters if each.event_name == METER]
        end = int((until or self.laptop.clock()).timestamp()) // 60 * 60 + 120
        found = self.laptop.client.v1.billing.meters.event_summaries.list(
            meter.id,
            {"customer": self.customer, "start_time": end - 40 * 86_400, "end_time": end},
        )
        return sum(each.aggregated_value for each in found.data)

    def send(self, identifier: str) -> None:
        """Past the function, by hand."""
        payload = {"stripe_customer_id": self.customer, "value": "1"}
        self.laptop.client.v1.billing.meter_events.create(
            {"event_name": METER, "identifier": identifier, "payload": payload}
        )

    def write_account(self, customer: str | None) -> None:
        account = Account.new(
            keys.account("acc_1"),
            id="acc_1",
            name="Ada",
            kind="personal",
            owner_id="usr_1",
            email="ada@example.com",
            created_at=self.house.clock(),
            plan="team",
            customer_id=customer,
        )
        self.house.direct.put(account.serialize())


def record(name: str) -> Event:
    """As the stream brings it, as far as it matters; `gen_7` is its seventh."""
    pk, sk = keys.receipt("acc_1", name)
    change = {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "SequenceNumber": name.split("_")[1]}
    return {"eventName": "INSERT", "dynamodb": change}


@pytest.fixture
def office(dynamodb: Any, table: Table, table_name: str, laptop: Laptop) -> Office:
    wire = Wire(dynamodb)
    house = House(wire, Table(wire, table_name), table)
    house.clock.now = laptop.clock()
    house.open_account(plan="team")
    office = Office(house, laptop, laptop.customer(), laptop.url)
    office.write_account(office.customer)
    return office


def unavailable() -> None:
    raise Unavailable("in a test")


@pytest.mark.parametrize("times", [1, 3])
def test_what_goes_beyond_the_month_is_reported_once(office: Office, times: int) -> None:
    """P4, F5."""
    records = [office.generate(f"gen_{n}", 300) for n in range(1, 6)]
    for _ in range(times):
        assert office.report(*records) == []
    assert office.metered() == 500


def test_each_generation_carries_the_part_of_it_that_was_sold(office: Office) -> None:
    for n in range(1, 6):
        office.report(office.generate(f"gen_{n}", 300))
    overages = [each.overage for each in office.house.receipts().values()]
    assert overages == [None, None, None, 200, 300]
    assert office.metered() == 500


def test_a_report_that_died_before_it_was_noted_is_repeated_and_counts_once(
    office: Office,
) -> None:
    """Stripe has it already, and says so with a 400."""
    beyond = office.generate("gen_1", 1_005)
    office.house.wire.before["update_item"] = unavailable
    assert office.report(beyond) == ["1"]
    assert office.metered() == 5
    assert office.report(beyond) == []
    assert office.metered() == 5
    assert office.house.receipts()["gen_1"].reported_at is not None
    assert office.given_up == []


def test_a_report_of_an_earlier_day_is_not_sent_again(office: Office) -> None:
    """Stripe has forgotten its identifier by then; the receipt has not."""
    beyond = office.generate("gen_1", 1_005)
    office.report(beyond)
    office.laptop.tick(2 * 86_400)
    office.house.clock.now = office.laptop.clock()
    assert office.report(beyond) == []
    assert office.metered() == 5


@pytest.mark.case("F3")
def test_while_stripe_is_away_only_what_was_not_reported_comes_again(office: Office) -> None:
    """And no generation notices."""
    first = office.generate("gen_1", 1_100)
    assert office.report(first) == []
    second, third = office.generate("gen_2", 50), office.generate("gen_3", 7)
    assert office.report(first, second, third, url=NOBODY) == ["2"]
    assert office.report(second, third) == []
    assert office.metered() == 157


@pytest.mark.case("F3")
def test_what_stripe_refuses_goes_to_a_persons_queue_and_blocks_nobody(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    poison = office.generate("gen_1", 1_005)
    office.report(poison, url=NOBODY)
    sound = office.generate("gen_2", 7)
    receipt = office.house.receipts()["gen_1"]
    receipt.meter = "a-meter-of-old"
    office.house.direct.put(receipt.serialize())
    assert office.report(poison, sound) == []
    assert office.metered() == 7
    [line] = [each for each in caplog.records if each.message == "usage_undeliverable"]
    assert (line.__dict__["sk"], line.__dict__["Alarm"]) == ("RECEIPT#gen_1", 1)

    receipt = office.house.receipts()["gen_1"]
    receipt.meter = METER
    office.house.direct.put(receipt.serialize())
    [again] = office.given_up
    assert office.report(*again["Records"]) == []
    assert office.metered() == 12


@pytest.mark.case("F3")
def test_a_receipt_that_cannot_be_read_blocks_nobody(office: Office) -> None:
    poison, sound = office.generate("gen_1", 1_000), office.generate("gen_2", 7)
    item = office.house.receipts()["gen_1"].serialize()
    office.house.direct.put({**item, "included": {"S": "many"}})
    assert office.report(poison, sound) == []
    assert (office.metered(), len(office.given_up)) == (7, 1)


@pytest.mark.case("F3")
def test_the_usage_of_a_damaged_account_waits_for_a_person_and_blocks_nobody(
    office: Office,
) -> None:
    records = [office.generate("gen_1", 1_005), office.generate("gen_2", 7)]
    whole = office.house.direct.get(keys.gate("acc_1")) or {}
    office.house.direct.put({name: whole[name] for name in whole if name != "month_limit"})
    assert office.report(*records) == []
    assert office.metered() == 0
    office.house.direct.put(whole)
    for each in office.given_up:
        assert office.report(*each["Records"]) == []
    assert office.metered() == 12


@pytest.mark.case("S28")
def test_usage_after_the_cancellation_is_reported_under_its_own_identifier(
    office: Office,
) -> None:
    """Admitted before it and settled after it; and what a reclaim had assumed is put right."""
    house = office.house
    cut, slow = house.admit("gen_1").hold, house.admit("gen_2").hold
    house.change_plan("free", None)
    house.settle("gen_1", cut, finished(1_100, 0))
    assert office.report(record("gen_1")) == []
    house.clock.advance(minutes=7)
    house.reclaim()
    assert office.report(record("gen_2")) == []
    assert office.metered() == 100 + house.receipts()["gen_2"].input_tokens > 100
    house.settle("gen_2", slow, Usage(FAILED, MODEL.id, 0, 0, estimated=False))
    assert office.report(record("gen_2"), record("gen_2")) == []
    assert office.metered() == 100
    for identifier in ("gen_1", "gen_2", "gen_2_late"):
        with pytest.raises(stripe.InvalidRequestError, match=f"with identifier {identifier}"):
            office.send(identifier)


def test_usage_counts_at_the_time_of_its_admission(office: Office) -> None:
    """Whose period it belongs to, whenever it is reported."""
    beyond, admitted = office.generate("gen_1", 1_005), office.house.clock()
    office.laptop.tick(10 * 86_400)
    office.house.clock.now = office.laptop.clock()
    assert office.report(beyond) == []
    assert office.metered(until=admitted) == office.metered() == 5


def test_usage_that_is_too_old_for_stripe_counts_as_of_the_oldest_that_is_not(
    office: Office,
) -> None:
    beyond = office.generate("gen_1", 1_005)
    office.laptop.tick(40 * 86_400)
    office.house.clock.now = office.laptop.clock()
    assert office.report(beyond) == []
    assert office.metered() == 5


def test_usage_that_nobody_pays_for_is_given_up_to_a_person(office: Office) -> None:
    beyond = office.generate("gen_1", 1_005)
    office.write_account(None)
    assert office.report(beyond) == []
    assert len(office.given_up) == 1


def test_a_plan_without_a_meter_is_reported_to_nobody(office: Office) -> None:
    office.house.change_plan("free", None)
    assert office.report(office.generate("gen_1", 90_000), url=NOBODY) == []


def test_it_stops_before_its_own_deadline(office: Office) -> None:
    records = [office.generate(f"gen_{n}", 1_000) for n in (1, 2)]
    assert office.report(*records, context=Context(5_000)) == ["1"]
    assert office.metered() == 0


def test_the_tables_own_stream_brings_what_is_metered_and_nothing_else(
    office: Office,
    dynamodb: Any,
    table_name: str,
    engine_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also the settlement that comes late, which changes a receipt."""
    declared = template.load()
    dynamodb.update_table(TableName=table_name, **declared.stream())
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", engine_url)
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    looked_at: list[str] = []

    def report(event: Event, _: Any) -> Event:
        looked_at.extend(each["dynamodb"]["Keys"]["sk"]["S"] for each in event["Records"])
        return {"batchItemFailures": office.report(*event["Records"])}

    stream = Stream(table_name, declared.pattern("report_usage"), report)
    office.house.change_plan("free", None)
    office.generate("gen_1", 400)
    office.house.change_plan("team", None)
    late = office.house.admit("gen_2").hold
    office.house.clock.advance(minutes=7)
    office.house.reclaim()
    stream.poll()
    assert set(looked_at) == {"RECEIPT#gen_2"}
    office.house.settle("gen_2", late, finished(1_600, 0))
    stream.poll()
    assert office.metered() == 1_000
