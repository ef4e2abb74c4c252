"""The journey's steps as tests: the same ones, in the same order, on a stack of their own."""

from collections.abc import Iterator

import pytest

from tests.journeys.person import Person
from tests.journeys.steps import STEPS, Journey, Step, name_of
from tests.stack import running_stack


@pytest.fixture(scope="module")
def journey() -> Iterator[Journey]:
    """A stack that nobody else uses: the journey moves its clock."""
    with running_stack() as stack, Person(stack.url) as person:
        yield Journey(person)


@pytest.fixture(scope="module")
def failed() -> list[str]:
    """The first step that failed, after which the others would only fail for its sake."""
    return []


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_a_person(journey: Journey, failed: list[str], step: Step) -> None:
    if failed:
        pytest.fail(f"the person never got here: {failed[0]} failed")
    failed.append(name_of(step))
    step(journey)
    failed.clear()
