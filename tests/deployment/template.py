"""The template as written and as CloudFormation gets it: SAM's own transform, with no network."""

import copy
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cfnlint.api import lint
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
_REGION = "us-east-1"
# The transform says at every run that its own feature switches are not to be had from AWS.
logging.getLogger("samtranslator.feature_toggle").setLevel(logging.ERROR)

_URI = {FUNCTION: "CodeUri", LAYER: "ContentUri"}

Document = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """`source` is the file, its tags as `Fn::…` members; `deployed` what the transform makes."""

    source: Document
    deployed: Document

    @classmethod
    def of(cls, source: Document) -> "Template":
        return cls(source, _transformed(source))

    @classmethod
    def read(cls, path: Path = ROOT / "template.yaml") -> "Template":
        return cls.of(yaml_parse(path.read_text(encoding="utf-8")))

    def written(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Resources of one type by logical id, as the file has them."""
        return _of_type(self.source, kind)

    def made(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Properties of one type's resources by logical id, after the transform."""
        for name, resource in _of_type(self.deployed, kind):
            yield name, resource.get("Properties", {})

    @property
    def folders(self) -> dict[str, str]:
        """Each function's folder below `functions/` by its logical id."""
        return {
            name: each["Properties"]["CodeUri"].strip("/").removeprefix("functions/")
            for name, each in self.written(FUNCTION)
        }

    @property
    def paths(self) -> dict[str, Document]:
        """The API's paths with their methods."""
        [(_, api)] = self.made("AWS::ApiGateway::RestApi")
        paths: dict[str, Document] = api["Body"]["paths"]
        return paths

    def environment(self, function: str) -> dict[str, Any]:
        """One function's variables; values that depend on a parameter are still references."""
        properties = dict(self.made("AWS::Lambda::Function"))[function]
        variables: dict[str, Any] = properties["Environment"]["Variables"]
        return variables


def findings(template: Template) -> list[str]:
    """What cfn-lint says of the transformed template, informational rules aside."""
    matches = lint(json.dumps(template.deployed), regions=[_REGION])
    return [f"{each.rule.id} {each.message}" for each in matches]


def _of_type(document: Document, kind: str) -> Iterator[tuple[str, Document]]:
    for name, resource in document["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource


def _transformed(source: Document) -> Document:
    """The transform knows code only in S3, where `sam deploy` would have put it."""
    document = copy.deepcopy(source)
    for resource in document["Resources"].values():
        if resource["Type"] in _URI:
            resource["Properties"][_URI[resource["Type"]]] = "s3://bucket/key"
    translator = Translator(
        managed_policy_map=None,
        sam_parser=Parser(),
        plugins=[],
        boto_session=_Session(_REGION),
    )
    transformed: Document = translator.translate(
        sam_template=document, parameter_values={}, get_managed_policy_map=_no_managed_policies
    )
    return transformed


class _Session(NamedTuple):
    """What the transform asks of a boto3 session, and no more: so no credentials are looked for."""

    region_name: str


def _no_managed_policies() -> Mapping[str, str]:
    """Every role is spelt out, so a managed policy's name finds nothing here and is refused."""
    return {}
