"""The cases, the mutants that take each of them away, and the tests that are marked with them."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = tuple(
    f"{family}{number}"
    for family, last in (("S", 31), ("W", 10), ("I", 5))
    for number in range(1, last + 1)
)
_HERE = Path("tests/cases")
_FAMILIES = ("subscriptions", "webhooks", "idempotency")
SOURCES = ("layers/common", ".")
"""As pytest's own `pythonpath`."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One place of the code without what a case needs; `module` is as it is imported."""

    name: str
    module: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        """Relative to the repository."""
        file = Path(*self.module.split(".")).with_suffix(".py")
        return next(Path(each, file) for each in SOURCES if (ROOT / each / file).exists())

    def applied(self, source: str) -> str:
        """Errors: `ValueError` where it is not clear what to replace; SyntaxError."""
        if (found := source.count(self.old)) != 1:
            raise ValueError(f"{self.name}: its old text stands {found} times in {self.path}")
        mutated = source.replace(self.old, self.new)
        compile(mutated, self.path, "exec")
        return mutated


@dataclass(frozen=True, slots=True)
class Case:
    """`rule` is what the software does, in one line."""

    name: str
    rule: str
    mutants: tuple[Mutant, ...]


@dataclass(frozen=True, slots=True, order=True)
class MarkedTest:
    """A test function: all of its parameters together."""

    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}::{self.name}"


def cases() -> list[Case]:
    found = []
    for family in _FAMILIES:
        with (ROOT / _HERE / f"{family}.toml").open("rb") as file:
            found += [_case(name, told) for name, told in tomllib.load(file).items()]
    return found


def _case(name: str, told: dict[str, str | dict[str, str]]) -> Case:
    mutants = (
        Mutant(mutant, each["in"], each["old"], each["new"])
        for mutant, each in told.items()
        if isinstance(each, dict)
    )
    return Case(name, str(told["rule"]), tuple(mutants))


def marked_tests() -> Mapping[str, list[MarkedTest]]:
    """By case, in the order in which they are asked: those that need no engine first."""
    found: dict[str, list[MarkedTest]] = defaultdict(list)
    files = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")]
    for path in sorted(files, key=lambda path: (path.parts[1] != "unit", path)):
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for name in _marks(node):
                    found[name].append(MarkedTest(str(path), node.name))
    return found


def _marks(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.case":
            yield from (ast.literal_eval(each) for each in decorator.args)
