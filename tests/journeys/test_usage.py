"""What an account used, as it reads it: its own receipts, days, models and periods."""

import secrets
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from local.stack import Stack
from tests.journeys.chat import Chat, ModelStandIn, receipt, receipts
from tests.journeys.checks import eventually
from tests.journeys.person import Answer, Person

_COUNTERS = ("generations", "input_tokens", "output_tokens")
_FAILED_EVERYWHERE = [{"status": 500}] * 2


def usage(person: Person, **query: str) -> dict[str, Any]:
    answer = person.http.get("/usage", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def read_receipt(person: Person, generation: str) -> httpx2.Response:
    return person.http.get(f"/usage/receipts/{generation}")


def generation_of(answer: Answer) -> str:
    found: str = answer.part("start")["messageMetadata"]["generation_id"]
    return found


def billionths(cost: dict[str, str]) -> int:
    assert cost["currency"] == "usd"
    whole, rest = cost["amount"].split(".")
    assert len(rest) == 9
    return int(whole + rest)


def seconds(moment: str) -> float:
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def advance_to(stack: Stack, moment: str) -> None:
    clock = httpx2.post(f"{stack.url}/local/clock", json={"advance_seconds": 0}).json()["now"]
    ahead = int(seconds(moment) - seconds(clock))
    httpx2.post(f"{stack.url}/local/clock", json={"advance_seconds": ahead})


@pytest.mark.parametrize("path", ["/usage", "/usage/receipts/gen_" + "a" * 20])
def test_usage_is_for_those_who_are_signed_in(roomy: Stack, path: str) -> None:
    assert httpx2.get(roomy.url + path).status_code == 401


def test_nothing_used_is_a_month_of_zeros_with_its_running_period(person: Person) -> None:
    empty = usage(person)

    nothing = {"amount": "0.000000000", "currency": "usd"}
    assert empty["totals"] == dict.fromkeys(_COUNTERS, 0) | {"cost": nothing}
    assert (empty["days"], empty["models"]) == ([], [])
    [running] = empty["periods"]
    assert running["open"] is True
    assert running["end"] == person.me()["usage"]["month"]["resets_at"]
    assert running["start"] == f"{empty['period']}-01T00:00:00Z"


def test_a_receipt_tells_what_was_reserved_used_and_paid(
    roomy: Stack, person: Person, word: str
) -> None:
    answer = Chat(person).ask(f"{word} in 12 words")

    shown = read_receipt(person, generation_of(answer)).json()

    stored = receipt(roomy, answer)
    same = ["generation_id", "outcome", "model", "provider", "price_version", "period", "day"]
    assert [shown[name] for name in same] == [stored[name] for name in same]
    for name in ("reserved", "input_tokens"):
        assert shown[name] == stored[name] > 0
    assert (shown["outcome"], shown["output_tokens"], shown["estimated"]) == ("finished", 12, False)
    assert shown["used"] == shown["input_tokens"] + 12
    assert shown["unused"] == shown["reserved"] - shown["used"] > 0
    assert billionths(shown["cost"]) == stored["cost"] > 0
    assert seconds(shown["admitted_at"]) == stored["admitted_at"] // 1000
    assert seconds(shown["decided_at"]) == stored["decided_at"] // 1000
    assert shown["late"] is None


def test_totals_are_the_sum_of_finished_stopped_and_failed_generations(
    roomy: Stack, person: Person, models: ModelStandIn, word: str
) -> None:
    Chat(person).ask(f"{word} in 5 words")
    models.fail({"delay_ms": 100})
    with Chat(person).open(f"{word} in 400 words") as stream:
        next(line for line in stream.iter_lines() if "text-delta" in line)
    eventually(lambda: person.me()["usage"]["concurrent"]["open"], lambda open_: open_ == 0)
    models.fail(*_FAILED_EVERYWHERE)
    assert Chat(person).ask(f"{word} never").response.status_code == 503

    month = usage(person)

    stored = receipts(roomy, person)
    assert sorted(each["outcome"] for each in stored) == ["failed", "finished", "stopped"]
    shown = [read_receipt(person, each["generation_id"]).json() for each in stored]
    totals = month["totals"]
    assert totals["generations"] == 2
    for name in ("input_tokens", "output_tokens"):
        assert totals[name] == sum(each[name] for each in shown) > 0
    assert billionths(totals["cost"]) == sum(billionths(each["cost"]) for each in shown) > 0
    [day] = month["days"]
    assert day == {"day": shown[0]["day"], **totals}
    [model] = month["models"]
    assert model == {"model": "gpt-6-luna", "provider": "openai", **totals}
    [period] = month["periods"]
    assert period["used"] == totals["input_tokens"] + totals["output_tokens"]
    assert period["reserved"] == 0


def test_no_one_reads_anothers_receipt_nor_learns_that_it_is_there(
    roomy: Stack, person: Person, models: ModelStandIn, word: str
) -> None:
    mine = generation_of(Chat(person).ask(f"{word} in 3 words"))
    models.fail({"delay_ms": 200})
    with Person(roomy.url) as other:
        other.sign_in()
        with Chat(other).open(f"{word} in 200 words") as stream:
            lines = (line for line in stream.iter_lines() if '"generation_id"' in line)
            running = next(lines).partition('"generation_id":"')[2][:24]
            refusals = [
                read_receipt(other, each)
                for each in (mine, running, f"gen_{secrets.token_hex(10)}", "gen_%00", "x")
            ]
        eventually(lambda: read_receipt(other, running).status_code, lambda status: status == 200)
        assert usage(other)["totals"]["generations"] == 1

    assert read_receipt(person, mine).status_code == 200
    assert read_receipt(person, running).status_code == 404
    bodies = {each.content.replace(each.headers["x-request-id"].encode(), b"") for each in refusals}
    assert [each.status_code for each in refusals] == [404] * 5
    assert len(bodies) == 1


def test_a_month_that_is_over_keeps_its_rows_and_its_closed_period(
    roomy: Stack, person: Person, word: str
) -> None:
    chat = Chat(person)
    before = usage(person)["period"]
    chat.ask(f"{word} in 3 words")
    first = usage(person)
    ends = first["periods"][0]["end"]
    advance_to(roomy, ends)
    httpx2.post(f"{roomy.url}/local/clock", json={"advance_seconds": 7_200})
    person.sign_in()
    chat.ask(f"{word} in 4 words")
    swept = httpx2.post(f"{roomy.url}/local/schedules/monthly_reset")
    assert swept.status_code == 200, swept.text

    now, then = usage(person), usage(person, period=before)

    assert now["period"] == ends[:7] != before
    assert now["totals"]["output_tokens"] == 4
    assert [each["start"] for each in now["periods"]] == [ends]
    assert {name: then[name] for name in ("totals", "days", "models")} == {
        name: first[name] for name in ("totals", "days", "models")
    }
    [closed] = then["periods"]
    assert closed["open"] is False
    assert closed["start"] == first["periods"][0]["start"]
    assert (closed["plan"], closed["granted"], closed["debt"]) == ("free", 50_000_000, 0)
    assert closed["used"] == first["periods"][0]["used"] > 0
    assert seconds(closed["closed_at"]) > seconds(ends)
