"""docs/cases.md keeps its word: nothing of it has gone missing since `make cases` wrote it."""

import pytest

from tests.cases import page
from tests.cases.table import NAMES, ROOT, MarkedTest, Mutant, cases, marked_tests

CASES = cases()
MUTANTS = [mutant for case in CASES for mutant in case.mutants]


def test_no_case_is_missing_and_none_is_unknown() -> None:
    assert tuple(case.name for case in CASES) == NAMES
    assert set(NAMES) - marked_tests().keys() == set()


def test_every_case_has_a_mutant_of_its_own_name() -> None:
    assert [case.name for case in CASES if not case.mutants] == []
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.name))
def test_a_mutant_changes_the_code_that_stands(mutant: Mutant) -> None:
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert mutant.applied(source) != source


def test_the_page_is_what_would_be_written() -> None:
    told = page.holders()
    assert told.keys() == {mutant.name for mutant in MUTANTS}
    assert page.PAGE.read_text(encoding="utf-8") == page.written(CASES, told)


def test_the_tests_that_the_page_names_are_marked_with_their_case() -> None:
    marked, told = marked_tests(), page.holders()
    strangers: list[MarkedTest] = [
        told[mutant.name]
        for case in CASES
        for mutant in case.mutants
        if told[mutant.name] not in marked[case.name]
    ]
    assert strangers == []
