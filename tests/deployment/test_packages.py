"""What a build puts into each package: `make build` without the downloads."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deployment.rules import SECRETS
from tests.deployment.template import LAYER, ROOT, Template

TEMPLATE = Template.read()
LOCKS = sorted(
    [*ROOT.glob("layers/*/requirements.txt"), *ROOT.glob("functions/*/requirements.txt")]
)
ASK_STRIPE = {
    TEMPLATE.folders[name] for name, each in SECRETS.items() if "STRIPE_SECRET_KEY" in each
}
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def built(name: str, folder: Path) -> set[str]:
    """The files of one package, with uv and the bytecode left out."""
    target = [f"build-{name}", f"ARTIFACTS_DIR={folder}", "UV=true", "PYTHON_3_13=false"]
    command = ["make", "--silent", "--makefile", "build.mk", *target]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environ)
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


def sources(folder: str) -> set[str]:
    return {
        str(each.relative_to(ROOT))
        for each in (ROOT / folder).rglob("*")
        if each.is_file()
        and "__pycache__" not in each.parts
        and not each.name.startswith("requirements.")
    }


@pytest.mark.parametrize(("name", "folder"), TEMPLATE.folders.items())
def test_a_function_carries_its_own_folder_and_nothing_else_of_ours(
    name: str, folder: str, tmp_path: Path
) -> None:
    assert built(name, tmp_path) == {"functions/__init__.py"} | sources(f"functions/{folder}")


def test_the_common_layer_carries_the_package_and_the_catalogue(tmp_path: Path) -> None:
    package = {f"python/{each.removeprefix('layers/common/')}" for each in sources("layers/common")}
    assert built("Common", tmp_path) == package | {"python/tollgate/plans.toml"}


def test_the_stream_starts_by_a_script_that_is_there_and_may_run() -> None:
    function = dict(TEMPLATE.made("AWS::Lambda::Function"))["GenerateStream"]
    script = ROOT / function["Handler"]
    assert os.access(script, os.X_OK)


def test_every_layer_has_a_build() -> None:
    rules = (ROOT / "build.mk").read_text(encoding="utf-8")
    for name, _ in TEMPLATE.written(LAYER):
        assert re.search(rf"^build-{name}:$", rules, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda each: each.parent.name)
def test_what_is_deployed_is_what_is_tested(lock: Path) -> None:
    tested = dict(_PIN.findall((ROOT / "requirements.txt").read_text(encoding="utf-8")))
    deployed = dict(_PIN.findall(lock.read_text(encoding="utf-8")))
    assert deployed
    assert deployed.items() <= tested.items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda each: each.parent.name)
def test_only_the_models_layer_carries_the_model_sdks_and_nothing_carries_boto3(lock: Path) -> None:
    names = {name for name, _ in _PIN.findall(lock.read_text(encoding="utf-8"))}
    assert ({"openai", "anthropic"} <= names) == (lock.parent.name == "models")
    assert ("stripe" in names) == (lock.parent.name in ASK_STRIPE)
    assert "boto3" not in names
    assert "--index-url" not in lock.read_text(encoding="utf-8")
