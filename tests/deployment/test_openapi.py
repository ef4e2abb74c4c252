"""openapi.yaml promises the routes that are deployed, and its examples keep its schemas."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.deployment.template import ROOT, Template

Document = dict[str, Any]

API: Document = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))


def examples(node: Any, place: str = "") -> Iterator[tuple[str, Document, Any]]:
    """Every media type that has a schema, with each of its examples."""
    if isinstance(node, dict):
        if "schema" in node:
            shown = [each["value"] for each in node.get("examples", {}).values()]
            shown += [node["example"]] if "example" in node else []
            yield from ((place, node["schema"], each) for each in shown)
        for key, value in node.items():
            yield from examples(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from examples(value, f"{place}/{number}")


def references(node: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(node)))


EXAMPLES = [*examples(API["paths"], "/paths"), *examples(API["components"], "/components")]


def test_the_promised_paths_are_the_deployed_ones(template: Template) -> None:
    assert set(API["paths"]) == set(template.paths) - {"/{proxy+}"}


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = {each for each in references(API) if each.startswith("components/")}
    kinds = API["components"].items()
    defined = {f"components/{kind}/{name}" for kind, parts in kinds for name in parts}
    schemes = {each for each in defined if each.startswith("components/securitySchemes/")}
    assert used == defined - schemes


def test_the_paths_variables_are_described() -> None:
    for path, operations in API["paths"].items():
        for operation in operations.values():
            described = json.dumps(
                [
                    API["components"]["parameters"][each["$ref"].rsplit("/", 1)[-1]]
                    if "$ref" in each
                    else each
                    for each in operation.get("parameters", [])
                ]
            )
            for name in re.findall(r"\{(\w+)\}", path):
                assert f'"name": "{name}", "in": "path"' in described, path


def test_every_operation_promises_problems_and_something_better() -> None:
    for path, operations in API["paths"].items():
        for operation in operations.values():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
            assert len(operation["responses"]) > 1, path


@pytest.mark.parametrize(("place", "schema", "example"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_an_example_keeps_its_schema(place: str, schema: Document, example: Any) -> None:
    whole = {**schema, "components": API["components"]}
    errors = Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(example)
    assert [each.message for each in errors] == [], place
