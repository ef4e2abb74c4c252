"""template.yaml read for the laptop: which function answers which path, and what the table looks
like.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[1] / "template.yaml"


@dataclass(frozen=True, slots=True)
class Template:
    resources: dict[str, Any]

    def routes(self) -> list[tuple[str, str]]:
        """(path in Starlette's spelling, folder in functions/), the most specific path first."""
        found = [
            (event["Properties"]["Path"], Path(function["Properties"]["CodeUri"]).name)
            for function in self._of_type("AWS::Serverless::Function")
            for event in function["Properties"].get("Events", {}).values()
            if event["Type"] == "Api"
        ]
        ordered = sorted(
            found, key=lambda route: [part.startswith("{") for part in route[0].split("/")]
        )
        return [(path.replace("{proxy+}", "{proxy:path}"), folder) for path, folder in ordered]

    def table(self, name: str) -> dict[str, Any]:
        """`create_table`'s arguments, but for the stream: with one, every write is slower here."""
        wanted = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")
        return {"TableName": name} | {each: self._table[each] for each in wanted}

    def stream(self) -> dict[str, Any]:
        """What `create_table` or `update_table` need beside."""
        return {
            "StreamSpecification": {"StreamEnabled": True, **self._table["StreamSpecification"]}
        }

    def pattern(self, folder: str) -> dict[str, Any]:
        """What the function in `folder` wants of the table's stream, in Lambda's event pattern."""
        [feed] = [
            event["Properties"]
            for function in self._of_type("AWS::Serverless::Function")
            for event in function["Properties"].get("Events", {}).values()
            if event["Type"] == "DynamoDB"
            and Path(function["Properties"]["CodeUri"]).name == folder
        ]
        [one] = feed["FilterCriteria"]["Filters"]
        pattern: dict[str, Any] = json.loads(one["Pattern"])
        return pattern

    @property
    def _table(self) -> dict[str, Any]:
        [table] = self._of_type("AWS::DynamoDB::Table")
        properties: dict[str, Any] = table["Properties"]
        return properties

    def _of_type(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.resources.values() if each["Type"] == kind]


def load() -> Template:
    return Template(yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)["Resources"])  # noqa: S506  a SafeLoader


class _Loader(yaml.SafeLoader):
    """Intrinsic functions (`!Ref`, `!Sub` …) come out as their bare arguments: nothing here needs
    their values.
    """


def _argument(loader: _Loader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)  # noqa: S101  YAML has no fourth kind
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _argument)
