"""A stack whose plans leave only the day's limit in the way, for tests that ask for much."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.environment import ROOT
from local.stack import Stack
from tests.journeys.chat import ModelStandIn
from tests.journeys.person import Person
from tests.stack import running_stack

_ROOM = (
    ("per_minute = 10 ", 'per_minute = "unlimited" '),
    ("month = 50_000 ", "month = 50_000_000 "),
    ("concurrent = 2 ", "concurrent = 1_000 "),
)


@pytest.fixture(scope="session")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Free people have ten generations a day and no other limit; models speak fast."""
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text(_roomy_plans(), encoding="utf-8")
    extra = {"TOLLGATE_PLANS": str(plans), "LOCAL_MODELS_DELAY_MS": "5"}
    with running_stack(extra) as started:
        yield started


def _roomy_plans() -> str:
    text = Path(ROOT, "plans.toml").read_text(encoding="utf-8")
    for usual, roomy in _ROOM:
        assert text.count(usual) == 1, f"plans.toml has no single line with {usual!r}"
        text = text.replace(usual, roomy)
    return text


@pytest.fixture
def person(roomy: Stack) -> Iterator[Person]:
    """Somebody new on the roomy stack, signed in."""
    with Person(roomy.url) as new:
        new.sign_in()
        yield new


@pytest.fixture
def models(roomy: Stack) -> Iterator[ModelStandIn]:
    """Leaves no fault for the next test."""
    stand_in = ModelStandIn(roomy)
    yield stand_in
    stand_in.fail()


@pytest.fixture
def word() -> str:
    """One that no other prompt has."""
    return f"w{secrets.token_hex(6)}"
