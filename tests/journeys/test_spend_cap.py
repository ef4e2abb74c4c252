"""The day's spend cap on a whole stack: counted from the table's stream, shut, open at midnight."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from local.environment import ROOT
from local.stack import Stack
from tests.journeys.chat import ModelStandIn, items
from tests.journeys.person import Person
from tests.stack import running_stack

_A_DAY = 86_400
_PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def dear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A token costs a cent, and a day may cost one."""
    text = Path(ROOT, "plans.toml").read_text(encoding="utf-8")
    for usual, other in (
        ("daily_spend_cap = 5_000", "daily_spend_cap = 1"),
        ("output_price = 50\n", "output_price = 1_000_000\n"),
    ):
        assert usual in text
        text = text.replace(usual, other)
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text(text, encoding="utf-8")
    extra = {"TOLLGATE_PLANS": str(plans), "LOCAL_MODELS_DELAY_MS": "5"}
    with running_stack(extra) as started:
        yield started


@pytest.fixture
def spender(dear: Stack) -> Iterator[Person]:
    with Person(dear.url) as new:
        new.sign_in()
        assert new.generate("summary", "in 3 words").done
        yield new


def refused(person: Person) -> httpx2.Response:
    """The first refusal; until the count has come round, a generation is let through."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = person.http.post("/generate", json={"blueprint": "summary", "input": "in 1 word"})
        if answer.status_code != 200:
            return answer
        time.sleep(0.5)
    raise AssertionError("the cap did not shut")


def test_the_cap_refuses_everybody_until_midnight(dear: Stack, spender: Person, word: str) -> None:
    problem = refused(spender)

    assert problem.status_code == 503, problem.text
    assert problem.json()["code"] == "spend_cap_reached"
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert problem.json()["resets_at"] == f"{midnight:%Y-%m-%dT%H:%M:%SZ}"
    left = (midnight - now).total_seconds()
    assert left - 60 < int(problem.headers["retry-after"]) <= left + 60

    with Person(dear.url) as other:
        other.sign_in()
        before = items(dear)
        body = {"blueprint": "summary", "input": f"{word} in 3 words"}
        assert other.http.post("/generate", json=body).json()["code"] == "spend_cap_reached"
        assert items(dear) == before
        assert ModelStandIn(dear).calls(word) == []
        assert other.me()["usage"]["day"]["used"] == 0

        httpx2.post(f"{dear.url}/local/clock", json={"advance_seconds": _A_DAY})
        assert other.generate("summary", f"{word} in 3 words").done
