"""`python -m tests.cases.run`: every case's test must fail under every mutant of that case.

All of them pass unmutated first. Prints `cases: n of n held, each test fails under its mutant`, and
writes docs/cases.md; or what does not hold, and exits 1. Names of cases try those alone.
"""

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from subprocess import TimeoutExpired

from tests.cases.copies import Copy, copied
from tests.cases.page import PAGE, written
from tests.cases.play import Verdict
from tests.cases.table import NAMES, Case, MarkedTest, Mutant, cases, marked_tests

_WORKERS = 2


class Trial:
    """Plays tests in as many copies as there are workers."""

    def __init__(self, copies: Iterable[Copy]) -> None:
        self._tests = marked_tests()
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for each in copies:
            self._free.put(each)

    def passes(self, tests: list[MarkedTest]) -> bool:
        copy = self._free.get()
        try:
            verdict = copy.play(tests)
        finally:
            self._free.put(copy)
        if verdict.failed is not None:
            print(f"  fails unmutated: {verdict.failed}: {verdict.why}", flush=True)
        return verdict.failed is None

    def holder(self, case: Case, mutant: Mutant) -> MarkedTest | None:
        """The first of the case's tests that fails under the mutant, by its own assertion."""
        if not self._tests[case.name]:
            print(f"  {case.name}: no test is marked with it", flush=True)
            return None
        copy = self._free.get()
        try:
            with copy.mutated(mutant):
                verdict = copy.play(self._tests[case.name])
        except (TimeoutExpired, ValueError, SyntaxError) as error:
            verdict = Verdict(why=str(error))
        finally:
            self._free.put(copy)
        if verdict.failed is None or not verdict.by_assertion:
            why = verdict.why.partition("\n")[0] or "every test passes"
            print(f"  {case.name} is not held under {mutant.name}: {why}", flush=True)
            return None
        path, _, name = verdict.failed.partition("::")
        return MarkedTest(path, name)

    def unmutated(self, names: Iterable[str]) -> list[list[MarkedTest]]:
        """All tests, in a share for each worker: files stay whole, as their fixtures are shared."""
        files: dict[str, list[MarkedTest]] = {}
        for test in sorted({test for name in names for test in self._tests[name]}):
            files.setdefault(test.path, []).append(test)
        shares: list[list[MarkedTest]] = [[] for _ in range(_WORKERS)]
        for tests in sorted(files.values(), key=len, reverse=True):
            min(shares, key=len).extend(tests)
        return [share for share in shares if share]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="some cases only; docs/cases.md stays")
    chosen = set(parser.parse_args().names)
    tried = [case for case in cases() if not chosen or case.name in chosen]
    with ExitStack() as stack, ThreadPoolExecutor(_WORKERS) as pool:
        trial = Trial([stack.enter_context(copied()) for _ in range(_WORKERS)])
        if not all(list(pool.map(trial.passes, trial.unmutated(case.name for case in tried)))):
            print("cases: a test fails unmutated")
            return 1
        mutants = [(case, mutant) for case in tried for mutant in case.mutants]
        found = list(pool.map(lambda each: trial.holder(*each), mutants))
    holders = {
        mutant.name: test
        for (_, mutant), test in zip(mutants, found, strict=True)
        if test is not None
    }
    held = [
        case
        for case in tried
        if case.mutants and all(mutant.name in holders for mutant in case.mutants)
    ]
    wanted = len(chosen or NAMES)
    print(f"cases: {len(held)} of {wanted} held, each test fails under its mutant")
    if len(held) < wanted:
        return 1
    if not chosen:
        PAGE.write_text(written(tried, holders), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
