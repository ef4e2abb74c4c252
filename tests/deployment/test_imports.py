"""What importing a deployed entry loads: a list, not a stopwatch."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.deployment.template import ROOT, Template

Deployed = Callable[[str], dict[str, str]]

FOLDERS = Template.read().folders
MODEL_SDKS = {"openai", "anthropic", "pydantic"}
FORBIDDEN = {
    "OauthCallback": MODEL_SDKS | {"stripe", "boto3", "local", "uvicorn"},
    "Checkout": MODEL_SDKS | {"authlib", "boto3", "local", "uvicorn"},
    "Webhook": MODEL_SDKS | {"authlib", "boto3", "local", "uvicorn"},
    # The SDK of a route is imported when a request needs it; a refused one never does.
    "GenerateStream": MODEL_SDKS | {"stripe", "authlib", "boto3", "local", "mangum"},
    "Account": MODEL_SDKS | {"stripe", "authlib", "boto3", "local", "uvicorn"},
    "Studio": MODEL_SDKS | {"stripe", "authlib", "boto3", "botocore", "pynamodb", "local"},
    "MonthlyReset": MODEL_SDKS | {"stripe", "authlib", "boto3", "local", "starlette", "mangum"},
    "Reconcile": MODEL_SDKS | {"authlib", "boto3", "local", "starlette", "mangum"},
    "CountSpend": MODEL_SDKS | {"stripe", "authlib", "boto3", "local", "starlette", "mangum"},
    "ReportUsage": MODEL_SDKS | {"authlib", "boto3", "local", "starlette", "mangum"},
    "SendNotices": MODEL_SDKS | {"stripe", "authlib", "boto3", "local", "starlette", "mangum"},
}
_LOADED = """
import importlib, json, sys
absent = set(json.load(sys.stdin))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
importlib.import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""
_NOBODYS = {"__main__", "_distutils_hack"}  # the second is setuptools', at every start of a venv
_PIN = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)


def loaded(folder: str, variables: dict[str, str], absent: Iterable[str] = ()) -> set[str]:
    """Top-level modules of others that the entry loads, in a process without the `absent`."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, f"functions.{folder}.main"],
        input=json.dumps(sorted(absent)),
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return beyond_the_standard_library(json.loads(done.stdout.splitlines()[-1]))


def beyond_the_standard_library(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - _NOBODYS


@cache
def distributions() -> dict[str, set[str]]:
    """The packages that bring each top-level module, spelt as locks spell them."""
    return {
        module: {re.sub(r"[-_.]+", "-", each).lower() for each in names}
        for module, names in packages_distributions().items()
    }


def carried(*folders: str) -> set[str]:
    locks = (ROOT / each / "requirements.txt" for each in folders)
    return {
        name for lock in locks if lock.exists() for name in _PIN.findall(lock.read_text("utf-8"))
    }


def missing(modules: Iterable[str], packages: set[str]) -> set[str]:
    """Modules of others that no carried package brings."""
    known = distributions()
    return {each for each in modules if each in known and not known[each] & packages}


def imported(folder: Path) -> set[str]:
    """What the sources name, imports inside functions included."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return beyond_the_standard_library(found)


def layers(function: str) -> tuple[str, ...]:
    both = ("layers/common", "layers/models")
    return both if function == "GenerateStream" else both[:1]


@pytest.mark.parametrize("function", FOLDERS)
def test_an_entry_loads_nothing_heavy_that_it_can_do_without(
    deployed: Deployed, function: str
) -> None:
    modules = loaded(FOLDERS[function], deployed(function))
    assert modules & FORBIDDEN[function] == set()


@pytest.mark.parametrize("function", FOLDERS)
def test_an_entry_starts_with_nothing_but_what_its_package_carries(
    deployed: Deployed, function: str
) -> None:
    folder = FOLDERS[function]
    packages = carried(*layers(function), f"functions/{folder}")
    absent = missing(distributions(), packages)
    assert loaded(folder, deployed(function), absent) & absent == set()


@pytest.mark.parametrize("function", FOLDERS)
def test_a_functions_sources_name_only_what_it_carries(function: str) -> None:
    folder = f"functions/{FOLDERS[function]}"
    assert missing(imported(ROOT / folder), carried(*layers(function), folder)) == set()


def test_every_library_of_the_shared_package_is_carried_somewhere() -> None:
    folders = [f"functions/{each}" for each in FOLDERS.values()]
    packages = carried("layers/common", "layers/models", *folders)
    assert missing(imported(ROOT / "layers/common/tollgate"), packages) == set()
