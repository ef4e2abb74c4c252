"""A person's whole way through Tollgate: `make journey`.

Against JOURNEY_URL, else a stack that runs on PORT, else one of its own. It advances the clock of
the stack by a month, so it is nothing for a deployment.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from local.environment import SetupError
from tests.journeys.person import Person
from tests.journeys.steps import STEPS, Journey, name_of
from tests.stack import running_stack


@contextmanager
def stack_to_visit() -> Iterator[str]:
    """The address of the stack: named, found running, or started for this journey."""
    named = os.environ.get("JOURNEY_URL")
    found = f"http://localhost:{os.environ.get('PORT') or 8000}"
    if named or _is_local_stack(found):
        yield named or found
        return
    print("no stack is running: starting one", flush=True)
    with running_stack() as stack:
        yield stack.url


def _is_local_stack(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/local/stripe/events", timeout=2.0).status_code == 200
    except httpx2.HTTPError:
        return False


def main() -> int:
    try:
        with stack_to_visit() as url, Person(url) as person:
            return travel(url, Journey(person))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1


def travel(url: str, journey: Journey) -> int:
    """The number of failed steps, which is the exit code: the first one ends the journey."""
    passed = 0
    print(f"journey through {url}", flush=True)
    for number, step in enumerate(STEPS, 1):
        try:
            found = step(journey)
        except (AssertionError, LookupError, ValueError, httpx2.HTTPError) as error:
            print(f"FAIL {number:2} {name_of(step)}: {error!r}")
            break
        passed += 1
        print(f"ok   {number:2} {name_of(step)}: {found}", flush=True)
    failed = int(passed < len(STEPS))
    print(f"journey: {passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
