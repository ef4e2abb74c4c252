"""docs/cases.md: each case, the test that holds it, and the mutant under which that test fails."""

import re
from collections.abc import Iterable, Mapping

from tests.cases.table import ROOT, Case, MarkedTest

PAGE = ROOT / "docs" / "cases.md"
_TITLE = """\
# Cases

What the software must get right in the life of a subscription (S), of a webhook (W) and of a
repeated request (I); many come from public bug reports in systems like this one. `make cases`
writes this page: it takes away what a case needs, by the named mutant, and sees that the test
fails by its own assertion. The mutants are in [tests/cases](../tests/cases).

| case | what holds | the test that holds it | fails under |
| --- | --- | --- | --- |
"""
_ROW = re.compile(r"\| \[`(?P<name>\w+)`\]\(\.\./(?P<path>[^)]+)\) \| `(?P<mutant>\w+)` \|$", re.M)

Holders = Mapping[str, MarkedTest]
"""By mutant: the test that fails under it."""


def written(cases: Iterable[Case], holders: Holders) -> str:
    return _TITLE + "".join(row for case in cases for row in _rows(case, holders))


def _rows(case: Case, holders: Holders) -> Iterable[str]:
    first = f"{case.name} | {case.rule}"
    for mutant in case.mutants:
        test = holders[mutant.name]
        yield f"| {first} | [`{test.name}`](../{test.path}) | `{mutant.name}` |\n"
        first = " | "


def holders() -> Holders:
    """As the page tells them."""
    told = _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {row["mutant"]: MarkedTest(row["path"], row["name"]) for row in told}
