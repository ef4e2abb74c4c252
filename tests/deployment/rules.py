"""What the template must hold beyond cfn-lint; every rule yields one sentence per breach."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.deployment.template import FUNCTION, LAYER, ROOT, Document, Template

Rule = Callable[[Template], Iterator[str]]

SECRETS = {
    "OauthCallback": {"SESSION_KEYS", "GOOGLE_CLIENT_SECRET"},
    "Checkout": {"SESSION_KEYS", "STRIPE_SECRET_KEY"},
    "Webhook": {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"},
    "GenerateStream": {
        "SESSION_KEYS",
        "STRIPE_SECRET_KEY",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
    },
    "Account": {"SESSION_KEYS", "STRIPE_SECRET_KEY"},
    "Studio": set[str](),
    "MonthlyReset": set[str](),
    "Reconcile": {"STRIPE_SECRET_KEY"},
    "CountSpend": set[str](),
    "SendNotices": set[str](),
    "ReportUsage": {"STRIPE_SECRET_KEY"},
}
_PARAMETER = "_PARAMETER"
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD")
_STAND_IN = re.compile(r"^LOCAL_|_API_BASE$|_BASE_URL$|^AWS_ENDPOINT_URL|^AWS_.*KEY")
_NEVER = {"dynamodb:Scan", "dynamodb:BatchWriteItem"}
_WRITES = {f"dynamodb:{each}Item" for each in ("Put", "Update", "Delete")}
_FED = {"CountSpend", "SendNotices", "ReportUsage"}
_SWEEPERS = {"MonthlyResetRole", "ReconcileRole"}
_ANY = "x-amazon-apigateway-any-method"


def functions_match_folders(template: Template) -> Iterator[str]:
    folders = {each.parent.name for each in (ROOT / "functions").glob("*/__init__.py")}
    declared = Counter(template.folders.values())
    yield from (f"functions/{each} has no resource" for each in folders - set(declared))
    yield from (f"functions/{each} is no folder" for each in set(declared) - folders)
    yield from (f"functions/{each} is declared twice" for each, n in declared.items() if n > 1)
    built = (ROOT / "build.mk").read_text(encoding="utf-8")
    for name, folder in template.folders.items():
        if not re.search(rf"^build-{name}: PART = {folder}$", built, re.MULTILINE):
            yield f"build.mk does not build {name} from functions/{folder}"


def everyone_has_a_role_and_a_log_of_their_own(template: Template) -> Iterator[str]:
    for name, function in template.made("AWS::Lambda::Function"):
        if function["Role"] != {"Fn::GetAtt": [f"{name}Role", "Arn"]}:
            yield f"{name} does not run as {name}Role"
        if function.get("LoggingConfig", {}).get("LogGroup") != {"Ref": f"{name}Logs"}:
            yield f"{name} does not log to {name}Logs"
    for name, group in template.made("AWS::Logs::LogGroup"):
        if "RetentionInDays" not in group:
            yield f"{name} keeps its lines for ever"


def permissions_name_their_resources(template: Template) -> Iterator[str]:
    """The scheduler's role, which the transform writes, is held to it too."""
    for role, statement in _statements(template):
        if any("*" in action for action in _list(statement["Action"])):
            yield f"{role} may do any action of a kind"
        if any("*" in json.dumps(each) for each in _list(statement["Resource"])):
            yield f"{role} may reach any resource of a kind"
    for name, role_properties in template.made("AWS::IAM::Role"):
        if role_properties.get("ManagedPolicyArns"):
            yield f"{name} has a policy that is not spelt out here"


def items_are_reached_by_prefix(template: Template) -> Iterator[str]:
    """`ForAllValues` also holds where there is no key, so nothing is granted that reads without."""
    for role, statement in _statements(template):
        actions = {each for each in _list(statement["Action"]) if each.startswith("dynamodb:")}
        if actions & _NEVER or any("PartiQL" in each for each in actions):
            yield f"{role} may read past its keys"
        if "dynamodb:BatchGetItem" in actions and role not in _SWEEPERS:
            yield f"{role} may read many accounts at once"
        on_index = "/index/due" in json.dumps(statement["Resource"])
        if on_index and actions != {"dynamodb:Query"}:
            yield f"{role} may do more than query the index"
        if on_index and role not in _SWEEPERS:
            yield f"{role} may read the index of due gates"
        condition = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
        prefixes = condition.get("dynamodb:LeadingKeys", [])
        if actions and not on_index and not _is_on_stream(statement) and not prefixes:
            yield f"{role} may reach every item"
        if not all(re.fullmatch(r"[A-Z]+#\*", each) for each in prefixes):
            yield f"{role} has a prefix that is no kind of item"


def a_transactions_writes_stand_together(template: Template) -> Iterator[str]:
    """A transaction asks once for all items that it puts, and no statement allows it a part."""
    allowed = Counter(
        (role, action)
        for role, statement in _statements(template)
        for action in _list(statement["Action"])
        if action in _WRITES
    )
    for (role, action), statements in allowed.items():
        if statements > 1:
            yield f"{role} may {action} by {statements} statements"


def the_spend_is_counted_exactly(template: Template) -> Iterator[str]:
    """What `count_spend` relies on: the shard's name, its order, and partial retries."""
    for role, statement in _statements(template):
        if _is_on_stream(statement) and role.removesuffix("Role") not in _FED:
            yield f"{role} may read the table's stream"
    mappings = template.made("AWS::Lambda::EventSourceMapping")
    feed = {each["FunctionName"]["Ref"]: each for _, each in mappings}["CountSpend"]
    if "TumblingWindowInSeconds" not in feed:
        yield "the feed of CountSpend does not name its shard"
    if feed.get("ParallelizationFactor", 1) != 1:
        yield "the feed of CountSpend is out of order"
    if feed.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        yield "the feed of CountSpend repeats what is counted"


def usage_is_reported_while_stripe_knows_it(template: Template) -> Iterator[str]:
    """An identifier is known again for 24 hours, and nobody may try longer."""
    mappings = template.made("AWS::Lambda::EventSourceMapping")
    feed = {each["FunctionName"]["Ref"]: each for _, each in mappings}["ReportUsage"]
    if not 0 < feed.get("MaximumRecordAgeInSeconds", -1) <= 23 * 3_600:
        yield "the feed of ReportUsage tries for longer than Stripe remembers"
    if feed.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        yield "the feed of ReportUsage repeats what is reported"
    if not feed.get("BisectBatchOnFunctionError"):
        yield "the feed of ReportUsage gives up usage with what crashes it"


def no_notice_holds_up_another(template: Template) -> Iterator[str]:
    """And nobody but the sender of notices writes e-mails, as nobody but itself."""
    mappings = template.made("AWS::Lambda::EventSourceMapping")
    feed = {each["FunctionName"]["Ref"]: each for _, each in mappings}["SendNotices"]
    if not feed.get("BisectBatchOnFunctionError") or "MaximumRetryAttempts" not in feed:
        yield "the feed of SendNotices waits for what can never be sent"
    if feed.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        yield "the feed of SendNotices gives up what waits for SES"
    for role, statement in _statements(template):
        if "ses:SendEmail" in _list(statement["Action"]):
            as_itself = "ses:FromAddress" in json.dumps(statement.get("Condition"))
            if role != "SendNoticesRole" or not as_itself:
                yield f"{role} may write e-mails in other names"


def a_reconciliation_that_never_ends_is_told(template: Template) -> Iterator[str]:
    alarms = [each for _, each in template.made("AWS::CloudWatch::Alarm")]
    told = {each["TreatMissingData"] for each in alarms if each.get("MetricName") == "unfinished"}
    if told != {"breaching"}:
        yield "nobody is told of a reconciliation that does not run, or never ends"


def only_the_stream_carries_the_models(template: Template) -> Iterator[str]:
    others = {name for name, _ in template.written(LAYER)} - {"Common", "Models"}
    for name, function in template.made("AWS::Lambda::Function"):
        layers = json.dumps(function["Layers"])
        if ('"Models' in layers) != (name == "GenerateStream"):
            yield f"{name} and the layer Models do not belong together so"
        if '"Common' not in layers:
            yield f"{name} lacks the layer Common"
    yield from (f"the layer {each} is no part of the system" for each in others)


def one_variable_name_per_level(template: Template) -> Iterator[str]:
    """API Gateway refuses two when it is late; neither the transform nor the linter notices."""
    names: dict[str, set[str]] = {}
    for path in template.paths:
        parts = path.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{") and not part.endswith("+}"):
                names.setdefault("/".join(parts[:place]), set()).add(part)
    for level, found in names.items():
        if len(found) > 1:
            yield f"{level}/ has variables of several names: {sorted(found)}"


def every_path_takes_any_method(template: Template) -> Iterator[str]:
    """The functions answer 405 themselves; API Gateway would answer 403."""
    for path, methods in template.paths.items():
        if set(methods) != {_ANY}:
            yield f"{path} does not take ANY"
    if "Account.Arn" not in _uri(template.paths.get("/{proxy+}", {})):
        yield "paths that do not exist do not reach Account"


def only_generate_streams(template: Template) -> Iterator[str]:
    for path, methods in template.paths.items():
        integration = methods.get(_ANY, {}).get("x-amazon-apigateway-integration", {})
        streams = integration.get("responseTransferMode") == "STREAM"
        right_invocation = _uri(methods).endswith('/response-streaming-invocations"}')
        is_generate = "GenerateStream.Arn" in _uri(methods)
        if not streams == right_invocation == is_generate:
            yield f"{path} does not stream exactly where GenerateStream answers"
    variables = template.environment("GenerateStream")
    for name in ("AWS_LWA_PASS_THROUGH_PATH", "AWS_LWA_READINESS_CHECK_PATH"):
        if variables.get(name) in template.paths:
            yield f"the API has the adapter's own path {variables[name]}"


def secrets_are_granted_where_they_are_asked_for(template: Template) -> Iterator[str]:
    granted: dict[str, set[str]] = {}
    for role, statement in _statements(template):
        if "ssm:GetParameters" in _list(statement["Action"]):
            found = re.findall(r"\$\{SecretsPath\}/(\w+)", json.dumps(statement["Resource"]))
            granted[role.removesuffix("Role")] = set(found)
    for name in template.folders:
        variables = template.environment(name)
        asked = {each.removesuffix(_PARAMETER) for each in variables if each.endswith(_PARAMETER)}
        if not asked == granted.get(name, set()) == SECRETS.get(name):
            yield f"{name} does not have exactly its secrets"


def no_environment_tells_a_secret(template: Template) -> Iterator[str]:
    for name in template.folders:
        for variable, value in template.environment(name).items():
            if not variable.endswith(_PARAMETER):
                if _SECRET_NAME.search(variable):
                    yield f"{name}: {variable} looks like a secret's value"
            elif value != {"Fn::Sub": f"${{SecretsPath}}/{variable.removesuffix(_PARAMETER)}"}:
                yield f"{name}: {variable} is not a parameter's name"


def nothing_local_is_deployed(template: Template) -> Iterator[str]:
    for name, resource in [*template.written(FUNCTION), *template.written(LAYER)]:
        properties = resource["Properties"]
        code = Path(properties.get("CodeUri") or properties["ContentUri"])
        if code.is_absolute() or ".." in code.parts or code.parts[0] not in {"functions", "layers"}:
            yield f"{name} is built from {code}"
        if resource.get("Metadata", {}).get("BuildMethod") != "makefile":
            yield f"{name} is not built by build.mk"
    for name in template.folders:
        stand_ins = [each for each in template.environment(name) if _STAND_IN.search(each)]
        yield from (f"{name} is pointed at a stand-in by {each}" for each in stand_ins)


def the_gateway_answers_in_problems(template: Template) -> Iterator[str]:
    [(_, api)] = template.made("AWS::ApiGateway::RestApi")
    answers: Document = api["Body"].get("x-amazon-apigateway-gateway-responses", {})
    for kind in {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN"} - set(answers):
        yield f"the gateway's {kind} is its own"
    for kind, answer in answers.items():
        parameters = answer["responseParameters"]
        if parameters.get("gatewayresponse.header.content-type") != "'application/problem+json'":
            yield f"the gateway's {kind} does not say that it is a problem"
        if parameters.get("gatewayresponse.header.x-request-id") != "context.requestId":
            yield f"the gateway's {kind} has no x-request-id"
        body = json.loads(answer["responseTemplates"]["application/json"])
        wanted = {"type", "title", "status", "detail", "code", "request_id"}
        if set(body) != wanted or str(body["status"]) != str(answer["statusCode"]):
            yield f"the gateway's {kind} is not a whole problem"


def nothing_is_suppressed(template: Template) -> Iterator[str]:
    if list(ROOT.glob(".cfnlintrc*")):
        yield "a .cfnlintrc changes what the linter says"
    if "cfn-lint" in json.dumps(template.source):
        yield "the template talks to the linter"


RULES: tuple[Rule, ...] = (
    functions_match_folders,
    everyone_has_a_role_and_a_log_of_their_own,
    permissions_name_their_resources,
    items_are_reached_by_prefix,
    a_transactions_writes_stand_together,
    the_spend_is_counted_exactly,
    usage_is_reported_while_stripe_knows_it,
    no_notice_holds_up_another,
    a_reconciliation_that_never_ends_is_told,
    only_the_stream_carries_the_models,
    one_variable_name_per_level,
    every_path_takes_any_method,
    only_generate_streams,
    secrets_are_granted_where_they_are_asked_for,
    no_environment_tells_a_secret,
    nothing_local_is_deployed,
    the_gateway_answers_in_problems,
    nothing_is_suppressed,
)


def breaches(template: Template) -> list[str]:
    return [sentence for rule in RULES for sentence in rule(template)]


def grants(template: Template, function: str) -> set[tuple[str, str]]:
    """(action, kind of item) that the function's role allows on the table; an index is a kind.

    The stream is read by Lambda itself, before the function.
    """
    allowed: set[tuple[str, str]] = set()
    for role, statement in _statements(template):
        actions = [each for each in _list(statement["Action"]) if each.startswith("dynamodb:")]
        condition = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
        kinds = [each.rstrip("#*") for each in condition.get("dynamodb:LeadingKeys", ["due"])]
        if role == f"{function}Role" and not _is_on_stream(statement):
            allowed |= {(each.partition(":")[2], kind) for each in actions for kind in kinds}
    return allowed


def _statements(template: Template) -> Iterator[tuple[str, Document]]:
    """Every statement of every role, the transform's own roles among them."""
    for name, role in template.made("AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            for statement in _list(policy["PolicyDocument"]["Statement"]):
                yield name, statement
    for _, policy in template.made("AWS::IAM::Policy"):
        for role in policy["Roles"]:
            for statement in _list(policy["PolicyDocument"]["Statement"]):
                yield role["Ref"], statement


def _is_on_stream(statement: Document) -> bool:
    return "StreamArn" in json.dumps(statement["Resource"])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _uri(methods: Document) -> str:
    integration = methods.get(_ANY, {}).get("x-amazon-apigateway-integration", {})
    return json.dumps(integration.get("uri", ""))
