"""A limit of N admits exactly N, however many ask at once (Q1, Q2), and says why it refuses."""

import json
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import httpx2
import pytest

from local.environment import ROOT
from local.stack import Stack
from tests.journeys.chat import BLUEPRINT, Chat, ModelStandIn
from tests.journeys.checks import check_limits, eventually
from tests.journeys.person import Answer, Person

_PROCESSES, _EACH = 4, 50
_HEAD_START_SECONDS = 3.0


def test_of_two_hundred_at_once_exactly_the_days_ten_are_admitted(
    roomy: Stack, person: Person, models: ModelStandIn, word: str
) -> None:
    models.fail(*[{"delay_ms": 100}] * 10)  # the first to come in stays while the others knock

    answers = _race(roomy, person, f"{word} in 8 words")

    assert len(answers) == _PROCESSES * _EACH
    told = Counter((each["status"], each["code"], each["scope"]) for each in answers)
    assert told == {(200, None, None): 10, (429, "quota_exceeded", "day"): 190}
    assert sum(each["done"] for each in answers) == 10
    calls = models.calls(word)
    assert len(calls) == 10
    assert {each["outcome"] for each in calls} == {"completed"}
    usage = person.me()["usage"]
    assert (usage["day"]["used"], usage["day"]["remaining"]) == (10, 0)
    assert (usage["month"]["reserved"], usage["concurrent"]["open"]) == (0, 0)
    assert usage["month"]["used"] == sum(each["input_tokens"] + 8 for each in calls)


def _race(stack: Stack, person: Person, text: str) -> list[dict[str, Any]]:
    cookie = "; ".join(f"{name}={value}" for name, value in person.http.cookies.items())
    crowd = [sys.executable, "-m", "tests.journeys.crowd", stack.url, cookie, text, str(_EACH)]
    start = time.time() + _HEAD_START_SECONDS
    clients = [
        subprocess.Popen(
            [*crowd, str(start)], cwd=ROOT, env=dict(stack.environ), stdout=subprocess.PIPE
        )
        for _ in range(_PROCESSES)
    ]
    told = [client.communicate()[0] for client in clients]
    assert [client.returncode for client in clients] == [0] * _PROCESSES
    return [answer for each in told for answer in json.loads(each)]


def test_the_days_limit_refuses_with_all_that_a_client_needs(roomy: Stack, person: Person) -> None:
    for _ in range(10):
        assert Chat(person).ask("in 1 words").done

    answer = Chat(person).ask("one more").response

    check_limits_without_a_minute(answer)
    problem = answer.json()
    assert (problem["code"], problem["scope"]) == ("quota_exceeded", "day")
    assert (problem["limit"], problem["remaining"]) == (10, 0)
    assert problem["upgrade_url"].startswith(roomy.url)
    usage = person.me()["usage"]["day"]
    assert problem["resets_at"] == usage["resets_at"]
    assert 0 < int(answer.headers["retry-after"]) <= 86_400


def check_limits_without_a_minute(answer: httpx2.Response) -> None:
    """A policy without a limit is left out of both fields."""
    assert answer.status_code == 429
    assert '"day";q=10;w=86400' in answer.headers["ratelimit-policy"]
    assert '"day";r=0;t=' in answer.headers["ratelimit"]
    assert answer.headers["x-usage-remaining"] == "0"
    assert "minute" not in answer.headers["ratelimit-policy"] + answer.headers["ratelimit"]


def test_a_third_open_stream_is_refused_until_one_of_the_two_ends(stack: Stack) -> None:
    models = ModelStandIn(stack)
    models.fail({"delay_ms": 200}, {"delay_ms": 200})
    with Person(stack.url) as person:
        person.sign_in()
        with Chat(person).open("in 400 words") as one, Chat(person).open("in 400 words") as two:
            assert (one.status_code, two.status_code) == (200, 200)
            assert person.me()["usage"]["concurrent"] == {"limit": 2, "open": 2}

            refused = Chat(person).ask("three").response

            check_limits(refused, day_left=8)
        assert refused.status_code == 429
        problem = refused.json()
        assert (problem["code"], problem["scope"]) == ("too_many_streams", "concurrent")
        assert problem["limit"] == 2
        assert int(refused.headers["retry-after"]) > 0
        eventually(lambda: person.me()["usage"]["concurrent"]["open"], lambda open_: open_ == 0)
        assert Chat(person).ask("in 1 words").done


def test_the_months_last_tokens_shorten_an_answer_and_then_refuse(stack: Stack) -> None:
    """A free month is 50,000 tokens; a text of 14,000 bytes holds more than a quarter of them."""
    long = f"in 500 words {'abc ' * 3_500}"
    with Person(stack.url) as person:
        person.sign_in()
        ModelStandIn(stack).fail(*[{"delay_ms": 0}] * 9)
        answers: list[Answer] = []
        while not answers or answers[-1].done:
            answers.append(Chat(person).ask(long))
        ModelStandIn(stack).fail()
        month = person.me()["usage"]["month"]

    problem = answers[-1].response.json()
    assert (problem["code"], problem["scope"]) == ("quota_exceeded", "month")
    assert problem["limit"] == 50_000
    assert problem["remaining"] == month["remaining"]
    assert problem["resets_at"] == month["resets_at"]
    assert month["used"] <= 50_000


@pytest.mark.parametrize("slug", ["code-review", "job-ad"])
def test_a_locked_blueprint_tells_which_plan_has_it(
    roomy: Stack, person: Person, models: ModelStandIn, word: str, slug: str
) -> None:
    before = person.me()

    answer = Chat(person, blueprint=slug).ask(word).response

    assert answer.status_code == 403
    problem = answer.json()
    assert (problem["code"], problem["required_plan"]) == ("plan_required", "pro")
    assert problem["upgrade_url"].startswith(roomy.url)
    assert models.calls(word) == []
    assert person.me() == before
    listed = person.http.get("/blueprints").json()["blueprints"]
    locks = {each["slug"]: each["locked"] for each in listed}
    assert (locks[slug], locks[BLUEPRINT]) == (True, False)
