"""The rules of the template, each shown to catch what it is there for."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deployment.rules import breaches
from tests.deployment.template import Document, Template, findings
from tollgate.quota.gate import LONGEST_RUN

Change = Callable[[Document], object]


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.read()


def test_the_transformed_template_passes_the_linter(template: Template) -> None:
    assert findings(template) == []


def test_the_linter_sees_what_the_transform_made(template: Template) -> None:
    broken = copy.deepcopy(template.deployed)
    broken["Resources"]["Webhook"]["Properties"]["MemorySize"] = 5
    assert findings(Template(template.source, broken))


def test_the_template_keeps_every_rule(template: Template) -> None:
    assert breaches(template) == []


def test_a_stream_ends_before_a_hold_is_taken_for_dead_and_before_the_gateway_cuts_it(
    template: Template,
) -> None:
    functions = dict(template.made("AWS::Lambda::Function"))
    timeout = functions["GenerateStream"]["Timeout"]
    integration = template.paths["/generate"]["x-amazon-apigateway-any-method"][
        "x-amazon-apigateway-integration"
    ]
    assert timeout <= LONGEST_RUN.total_seconds()
    assert integration["timeoutInMillis"] > timeout * 1000


def properties(document: Document, name: str) -> Document:
    found: Document = document["Resources"][name]["Properties"]
    return found


def statement(document: Document, role: str, place: int) -> Document:
    policy = properties(document, role)["Policies"][0]["PolicyDocument"]
    found: Document = policy["Statement"][place]
    return found


def variables(document: Document, name: str) -> dict[str, Any]:
    found: dict[str, Any] = properties(document, name)["Environment"]["Variables"]
    return found


def path(document: Document, name: str, event: str) -> Document:
    found: Document = properties(document, name)["Events"][event]["Properties"]
    return found


def receipts(document: Document) -> Document:
    return path(document, "CountSpend", "Receipts")


def without_role(document: Document) -> None:
    properties(document, "Studio")["Role"] = {"Fn::GetAtt": ["AccountRole", "Arn"]}


def answers(document: Document) -> Document:
    found: Document = properties(document, "Api")["GatewayResponses"]
    return found


BREACHES: list[tuple[Change, str]] = [
    (lambda d: properties(d, "Studio").update(CodeUri="functions/page/"), "functions/page is no"),
    (without_role, "Studio does not run as StudioRole"),
    (lambda d: properties(d, "StudioLogs").clear(), "StudioLogs keeps its lines for ever"),
    (
        lambda d: statement(d, "AccountRole", 1).update(Action="dynamodb:*"),
        "AccountRole may do any action",
    ),
    (
        lambda d: statement(d, "AccountRole", 1).update(Resource="*"),
        "AccountRole may reach any resource",
    ),
    (
        lambda d: statement(d, "AccountRole", 1)["Action"].append("dynamodb:Scan"),
        "AccountRole may read past its keys",
    ),
    (
        lambda d: statement(d, "AccountRole", 1).pop("Condition"),
        "AccountRole may reach every item",
    ),
    (
        lambda d: statement(d, "MonthlyResetRole", 1).update(Action="dynamodb:GetItem"),
        "MonthlyResetRole may do more than query the index",
    ),
    (
        lambda d: statement(d, "AccountRole", 1).update(
            Resource={"Fn::GetAtt": ["Table", "StreamArn"]}
        ),
        "AccountRole may read the table's stream",
    ),
    (
        lambda d: receipts(d).pop("TumblingWindowInSeconds"),
        "the feed of CountSpend does not name its shard",
    ),
    (
        lambda d: receipts(d).update(ParallelizationFactor=2),
        "the feed of CountSpend is out of order",
    ),
    (
        lambda d: receipts(d).pop("FunctionResponseTypes"),
        "the feed of CountSpend repeats what is counted",
    ),
    (
        lambda d: path(d, "ReportUsage", "Receipts").update(MaximumRecordAgeInSeconds=604_800),
        "the feed of ReportUsage tries for longer than Stripe remembers",
    ),
    (
        lambda d: path(d, "ReportUsage", "Receipts").pop("FunctionResponseTypes"),
        "the feed of ReportUsage repeats what is reported",
    ),
    (
        lambda d: path(d, "ReportUsage", "Receipts").pop("BisectBatchOnFunctionError"),
        "the feed of ReportUsage gives up usage with what crashes it",
    ),
    (
        lambda d: properties(d, "ReconcileUnfinished").update(TreatMissingData="notBreaching"),
        "nobody is told of a reconciliation that does not run",
    ),
    (
        lambda d: statement(d, "ReconcileRole", 2)["Action"].append("dynamodb:PutItem"),
        "ReconcileRole may dynamodb:PutItem by 2 statements",
    ),
    (
        lambda d: path(d, "SendNotices", "Notices").pop("BisectBatchOnFunctionError"),
        "the feed of SendNotices waits for what can never be sent",
    ),
    (
        lambda d: path(d, "SendNotices", "Notices").pop("FunctionResponseTypes"),
        "the feed of SendNotices gives up what waits for SES",
    ),
    (
        lambda d: statement(d, "SendNoticesRole", 3).pop("Condition"),
        "SendNoticesRole may write e-mails in other names",
    ),
    (
        lambda d: properties(d, "Webhook").update(Layers=[{"Ref": "Models"}]),
        "Webhook and the layer Models",
    ),
    (
        lambda d: path(d, "Account", "Messages").update(Path="/conversations/{other}/messages"),
        "/conversations/ has variables of several names",
    ),
    (lambda d: path(d, "Account", "Me").update(Method="GET"), "/me does not take ANY"),
    (
        lambda d: properties(d, "Account")["Events"].pop("Other"),
        "paths that do not exist do not reach Account",
    ),
    (
        lambda d: path(d, "GenerateStream", "Generate").pop("ResponseTransferMode"),
        "/generate does not stream",
    ),
    (
        lambda d: path(d, "Account", "Me").update(ResponseTransferMode="RESPONSE_STREAM"),
        "/me does not stream exactly where",
    ),
    (
        lambda d: path(d, "Account", "Me").update(Path="/events"),
        "the API has the adapter's own path /events",
    ),
    (
        lambda d: variables(d, "Account").update(OPENAI_API_KEY_PARAMETER="x"),
        "Account does not have exactly its secrets",
    ),
    (
        lambda d: variables(d, "Webhook").update(STRIPE_SECRET_KEY_PARAMETER="sk_live_x"),
        "STRIPE_SECRET_KEY_PARAMETER is not a parameter's name",
    ),
    (
        lambda d: variables(d, "Webhook").update(STRIPE_SECRET_KEY="sk_live_x"),
        "STRIPE_SECRET_KEY looks like a secret's value",
    ),
    (
        lambda d: variables(d, "Webhook").update(STRIPE_API_BASE="http://127.0.0.1"),
        "Webhook is pointed at a stand-in",
    ),
    (lambda d: properties(d, "Common").update(ContentUri="local/"), "Common is built from local"),
    (
        lambda d: answers(d).pop("MISSING_AUTHENTICATION_TOKEN"),
        "the gateway's MISSING_AUTHENTICATION_TOKEN is its own",
    ),
    (
        lambda d: answers(d)["THROTTLED"].update(StatusCode=400),
        "the gateway's THROTTLED is not a whole problem",
    ),
    (
        lambda d: d.update(Metadata={"cfn-lint": {"config": {"ignore_checks": ["W"]}}}),
        "the template talks to the linter",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), BREACHES, ids=[each for _, each in BREACHES])
def test_a_breach_is_told(template: Template, change: Change, sentence: str) -> None:
    document = copy.deepcopy(template.source)
    change(document)
    assert any(sentence in each for each in breaches(Template.of(document)))
