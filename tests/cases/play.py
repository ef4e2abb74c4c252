"""`python -m tests.cases.play VERDICT TEST…`: the tests until one fails, and how, as JSON."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(eq=False)
class Verdict:
    """`failed` is None where all passed; `by_assertion`: a test said so, nothing merely broke."""

    passed: int = 0
    failed: str | None = None
    by_assertion: bool = False
    why: str = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed, self.why = report.nodeid, f"collection: {report.longreprtext}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
        report = yield
        if report.failed and self.failed is None and call.excinfo is not None:
            self.failed = item.nodeid.partition("[")[0]
            self.by_assertion = call.when == "call" and _is_judgement(call.excinfo.value)
            self.why = f"{call.when}: {call.excinfo.exconly()}"
        self.passed += report.passed and call.when == "call"
        return report


def _is_judgement(error: BaseException) -> bool:
    """A model that judges histories raises an error of its own, which a test lets through."""
    asserted = isinstance(error, AssertionError | pytest.fail.Exception)
    return asserted or type(error).__name__ == "Violation"


def main(verdict: Path, tests: list[str]) -> None:
    judge = Verdict()
    quiet = ["-q", "-x", "--tb=short", "-p", "no:cacheprovider"]
    code = pytest.main([*quiet, *tests], plugins=[judge])
    if code != pytest.ExitCode.OK and judge.failed is None:
        judge.failed, judge.why = tests[0], f"pytest: {code!r}"
    verdict.write_text(json.dumps(asdict(judge)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
