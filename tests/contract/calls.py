"""The calls of Stripe's API that stand in the code, found in its syntax tree.

What each of them asks for is read from the SDK's own source, which Stripe generates from its API
description: the method, the path and the type of the parameters.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import stripe

from local.environment import ROOT

CODE = tuple(ROOT / part for part in ("layers", "functions", "local/stripe_setup"))


@dataclass(frozen=True)
class Site:
    """One call, `client.v1.<resource>.<method>(…)`, and the lines that it covers."""

    name: str
    file: Path
    first: int
    last: int

    def __str__(self) -> str:
        place = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"{self.name} ({place}:{self.first})"


@dataclass(frozen=True)
class Operation:
    method: str
    path: re.Pattern[str]
    params: type

    def is_asked_by(self, method: str, path: str) -> bool:
        return self.method == method and self.path.fullmatch(path) is not None


def sites(folders: Iterable[Path] = CODE) -> list[Site]:
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return [site for file in files for site in _sites_in(file)]


def _sites_in(file: Path) -> Iterator[Site]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            _, version, name = ast.unparse(node.func).rpartition(".v1.")
            if version and re.fullmatch(r"\w+(\.\w+)+", name):
                yield Site(name, file, node.lineno, node.end_lineno or node.lineno)


@cache
def operation(name: str) -> Operation:
    """Errors: AttributeError where the SDK has no such call."""
    resource: Any = stripe.StripeClient("sk_test_unused").v1
    *path, method_name = name.split(".")
    for part in path:
        resource = getattr(resource, part)
    service = type(resource)
    method = getattr(service, method_name)
    source = ast.parse(textwrap.dedent(inspect.getsource(method)))
    [request] = [
        node
        for node in ast.walk(source)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._request"
    ]
    verb, template = (_text(each) for each in request.args[:2])
    pattern = re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", template))))
    return Operation(verb.upper(), pattern, _params(service, method))


def _text(node: ast.expr) -> str:
    """Of `"…"`, and of `"…".format(…)`."""
    found = next(each for each in ast.walk(node) if isinstance(each, ast.Constant))
    return str(found.value)


def _params(service: type, method: Any) -> type:
    """Its annotation names a type that the module imports for type checkers only."""
    annotation = str(inspect.signature(method).parameters["params"].annotation)
    [name] = re.findall(r"\w+Params", annotation)
    tree = ast.parse(inspect.getsource(inspect.getmodule(service) or service))
    [module] = [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and name in [each.name for each in node.names]
    ]
    params: type = getattr(import_module(str(module)), name)
    return params
