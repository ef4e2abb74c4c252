"""Sends every Stripe call of the code by running the tests of billing, and has each one judged."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from local.environment import ROOT
from tests.contract.calls import operation, sites
from tests.contract.judges import Judge, by_specification, by_types, stripe_mock
from tests.contract.recorder import Recorder, Request

_SENDERS = (
    "test_stripe_setup.py",
    *("test_billing_report_usage.py", "test_billing_metered_item.py", "test_billing_repairs.py"),
    *("test_reconcile*.py", "test_billing_*.py"),
)
"""Who makes the rarest calls comes first."""


class _Until:
    """Ends the run once every call was sent."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        if not self._recorder.missing:
            item.session.shouldstop = "every call was sent"


def send(recorder: Recorder, *, briefly: bool) -> bool:
    """True where every test passed."""
    folder = ROOT / "tests" / "integration"
    found = (str(file) for name in _SENDERS for file in sorted(folder.glob(name)))
    files = list(dict.fromkeys(found))
    plugins = [_Until(recorder)] if briefly else []
    options = ["-q", "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # ours came before pytest
    with recorder.recording():
        ended = pytest.main([*options, *files], plugins)
    return ended in (pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED if briefly else None)


def refusals(requests: Sequence[Request], judges: Sequence[Judge]) -> list[tuple[Request, str]]:
    """Each with what is wrong."""
    return [
        (request, wrong) for request in requests for judge in judges if (wrong := judge(request))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make contract-stripe", description=__doc__)
    parser.add_argument("--briefly", action="store_true", help="stop when all calls were sent")
    briefly: bool = parser.parse_args().briefly
    recorder = Recorder(sites())
    passed = send(recorder, briefly=briefly)
    requests = list(recorder.requests)
    with ExitStack() as stack:
        judges = [by_types([operation(name) for name in recorder.names])]
        binary = stripe_mock()
        if binary:
            judges.append(stack.enter_context(by_specification(binary)))
        refused = refusals(requests, judges)
    who = "stripe-mock and the SDK's types" if binary else "the SDK's types; no stripe-mock here"
    print(f"\ncontract-stripe: {len(requests)} different requests judged by {who}")
    lines, difference = report(recorder, refused)
    print(*lines, sep="\n")
    return 0 if passed and not difference and not refused else 1


def report(
    recorder: Recorder, refused: Sequence[tuple[Request, str]]
) -> tuple[list[str], set[str]]:
    """What to print, and the names of the calls that were not sent or were refused."""
    lines = [f"  refused: {each.method} {each.path} {each.form}: {why}" for each, why in refused]
    lines += [f"  never sent: {site}" for site in recorder.missing]
    difference = {site.name for site in recorder.missing}
    for name in recorder.names:
        wanted = operation(name)
        if any(wanted.is_asked_by(each.method, each.path) for each, _ in refused):
            difference.add(name)
    count = len(recorder.names)
    told = ", ".join(sorted(difference)) or "none"
    lines.append(
        f"contract-stripe: {count} distinct calls in the code, "
        f"{count - len(difference)} sent and validated, difference {told}"
    )
    return lines, difference


if __name__ == "__main__":
    sys.exit(main())
