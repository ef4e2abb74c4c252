"""The parts of the laptop's cloud that tests share; each starts when a test first asks for it."""

from collections.abc import Iterator

import pytest

from local.stack import Stack
from tests.stack import running_engine, running_stack


@pytest.fixture(scope="session")
def engine_url() -> Iterator[str]:
    """A real engine without a table."""
    with running_engine() as url:
        yield url


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A whole stack that tests share: each brings people of its own and leaves the clock alone."""
    with running_stack() as started:
        yield started
