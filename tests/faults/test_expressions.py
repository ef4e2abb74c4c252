"""One term of a condition is left out, and the rest means what it meant."""

from typing import Any

import pytest

from tests.faults.expressions import conditioned, parse, terms, without


@pytest.mark.parametrize(
    "expression",
    [
        "#version = :seen",
        "size(#open) < #limit AND attribute_not_exists(#open.#generation)",
        "#a = :a AND (attribute_not_exists(#b) OR #b < :b)",
        "attribute_type(#until, :null) OR #until > :now",
        "((#a = :a AND #b >= :b) OR #c <= :c) AND #d <> :d",
    ],
)
def test_a_condition_reads_back_as_it_was(expression: str) -> None:
    assert str(parse(expression)) == expression


def test_and_binds_closer_than_or() -> None:
    assert str(parse("#a = :a OR #b = :b AND #c = :c")) == "#a = :a OR (#b = :b AND #c = :c)"


def test_each_leaf_and_each_inner_group_is_a_term() -> None:
    condition = parse("#a = :a AND (#b = :b OR (#c = :c AND attribute_exists(#d)))")
    assert [str(each) for each in terms(condition)] == [
        "#a = :a",
        "#b = :b OR (#c = :c AND attribute_exists(#d))",
        "#b = :b",
        "#c = :c AND attribute_exists(#d)",
        "#c = :c",
        "attribute_exists(#d)",
    ]


@pytest.mark.parametrize(
    ("term", "left"),
    [
        ("#a = :a", "#b = :b OR (#c = :c AND #d = :d)"),
        ("#b = :b", "#a = :a AND (#c = :c AND #d = :d)"),
        ("#c = :c", "#a = :a AND (#b = :b OR #d = :d)"),
        ("#b = :b OR (#c = :c AND #d = :d)", "#a = :a"),
        ("#e = :e", "#a = :a AND (#b = :b OR (#c = :c AND #d = :d))"),
    ],
)
def test_a_term_leaves_the_others_standing(term: str, left: str) -> None:
    condition = parse("#a = :a AND (#b = :b OR (#c = :c AND #d = :d))")
    assert str(without(condition, term)) == left


def test_nothing_is_left_of_a_single_leaf() -> None:
    assert without(parse("attribute_not_exists(#pk)"), "attribute_not_exists(#pk)") is None


def test_names_and_values_go_with_the_term_that_used_them() -> None:
    arguments: dict[str, Any] = {
        "UpdateExpression": "SET #n = :n",
        "ConditionExpression": "#v = :seen AND #n < :n",
        "ExpressionAttributeNames": {"#n": "n", "#v": "v"},
        "ExpressionAttributeValues": {":n": {"N": "1"}, ":seen": {"N": "2"}},
    }
    condition = without(parse(arguments["ConditionExpression"]), "#v = :seen")
    assert conditioned(arguments, condition) == {
        "UpdateExpression": "SET #n = :n",
        "ConditionExpression": "#n < :n",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {":n": {"N": "1"}},
    }


def test_a_put_without_its_condition_names_nothing() -> None:
    arguments = {
        "Item": {},
        "ConditionExpression": "attribute_not_exists(#pk)",
        "ExpressionAttributeNames": {"#pk": "pk"},
    }
    assert conditioned(arguments, None) == {"Item": {}}


@pytest.mark.parametrize(
    "expression",
    ["", "#a =", "(#a = :a", "#a = :a)", "NOT #a = :a", "#a BETWEEN :a AND :b", "#a ! :a", "size("],
)
def test_what_is_no_condition_of_ours_is_an_error(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(expression)
