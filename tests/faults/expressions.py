"""A condition as a tree, so that one term of it can be left out.

Knows what Tollgate's conditions are made of: AND, OR, parentheses, functions and comparisons.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"\s*([(),]|<=|>=|<>|[=<>]|[#:\w.]+)")
_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_UNKNOWN = frozenset({"NOT", "BETWEEN", "IN"})
_NAME = re.compile(r"#\w+")
_VALUE = re.compile(r":\w+")
_EXPRESSIONS = ("UpdateExpression", "ConditionExpression")


@dataclass(frozen=True)
class Leaf:
    """A comparison or a function."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Group:
    """Two parts or more under one `operator`: AND or OR."""

    operator: str
    parts: tuple["Node", ...]

    def __str__(self) -> str:
        texts = (f"({each})" if isinstance(each, Group) else str(each) for each in self.parts)
        return f" {self.operator} ".join(texts)


Node = Leaf | Group


def parse(expression: str) -> Node:
    """Errors: ValueError, for what is no condition of ours."""
    tokens = _tokens(expression)
    node = _group(tokens, "OR")
    if tokens:
        raise ValueError(f"{tokens[0]!r} is one too many in {expression!r}")
    return node


def terms(node: Node) -> Iterator[Node]:
    """Everything that can be left out by itself: each leaf, and each group inside another."""
    if isinstance(node, Leaf):
        yield node
        return
    for part in node.parts:
        if isinstance(part, Group):
            yield part
        yield from terms(part)


def without(node: Node, term: str) -> Node | None:
    """What is left without the terms that read `term`; None where nothing is."""
    if str(node) == term:
        return None
    if isinstance(node, Leaf):
        return node
    parts = tuple(left for part in node.parts if (left := without(part, term)) is not None)
    if len(parts) < 2:
        return parts[0] if parts else None
    return Group(node.operator, parts)


def conditioned(arguments: dict[str, Any], condition: Node | None) -> dict[str, Any]:
    """`arguments` under another condition, and without what only the old one named: an unused name
    is an error.
    """
    kept = {name: each for name, each in arguments.items() if name != "ConditionExpression"}
    if condition is not None:
        kept["ConditionExpression"] = str(condition)
    sent = " ".join(kept.get(name, "") for name in _EXPRESSIONS)
    for name, used in (
        ("ExpressionAttributeNames", set(_NAME.findall(sent))),
        ("ExpressionAttributeValues", set(_VALUE.findall(sent))),
    ):
        left = {alias: each for alias, each in kept.pop(name, {}).items() if alias in used}
        if left:
            kept[name] = left
    return kept


def _tokens(expression: str) -> list[str]:
    tokens, place = [], 0
    while place < len(expression.rstrip()):
        found = _TOKEN.match(expression, place)
        if found is None or found[1] in _UNKNOWN:
            raise ValueError(f"cannot read {expression[place:]!r}")
        tokens.append(found[1])
        place = found.end()
    return tokens


def _group(tokens: list[str], operator: str) -> Node:
    """AND binds closer than OR."""
    parts = [_part(tokens, operator)]
    while tokens and tokens[0] == operator:
        tokens.pop(0)
        parts.append(_part(tokens, operator))
    return parts[0] if len(parts) == 1 else Group(operator, tuple(parts))


def _part(tokens: list[str], operator: str) -> Node:
    if operator == "OR":
        return _group(tokens, "AND")
    if tokens and tokens[0] == "(":
        tokens.pop(0)
        inner = _group(tokens, "OR")
        _expect(tokens, ")")
        return inner
    return _leaf(tokens)


def _leaf(tokens: list[str]) -> Leaf:
    text = _operand(tokens)
    if tokens and tokens[0] in _COMPARISONS:
        text = f"{text} {tokens.pop(0)} {_operand(tokens)}"
    return Leaf(text)


def _operand(tokens: list[str]) -> str:
    if not tokens or tokens[0] in {"(", ")", ",", "AND", "OR"} | _COMPARISONS:
        raise ValueError(f"no operand before {tokens[:1]}")
    name = tokens.pop(0)
    if not tokens or tokens[0] != "(":
        return name
    tokens.pop(0)
    arguments = [_operand(tokens)]
    while tokens and tokens[0] == ",":
        tokens.pop(0)
        arguments.append(_operand(tokens))
    _expect(tokens, ")")
    return f"{name}({', '.join(arguments)})"


def _expect(tokens: list[str], token: str) -> None:
    if not tokens or tokens.pop(0) != token:
        raise ValueError(f"{token!r} is missing")
