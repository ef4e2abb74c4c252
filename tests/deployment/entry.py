"""Deployed entries in processes of their own, in the environment that the template gives them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deployment.template import ROOT, Template

EVENTS = ROOT / "events"
TABLE = "tollgate"
SECRETS = {
    "SESSION_KEYS": "dG9sbGdhdGUtdGVzdHMtc2Vzc2lvbi1rZXktMDAwMDE=",
    "STRIPE_SECRET_KEY": "sk_test_deployed",
    "STRIPE_WEBHOOK_SECRET": "whsec_deployed",
    "OPENAI_API_KEY": "sk-deployed",
    "ANTHROPIC_API_KEY": "sk-deployed",
    "GOOGLE_CLIENT_SECRET": "deployed",
}
_PARAMETERS = {
    "Table": TABLE,
    "Livemode": "false",
    "GoogleClientId": "deployed",
    "NoticesFrom": "billing@example.com",
    "UsageFailures": "http://127.0.0.1:9/usage-failures",
    "PUBLIC_URL": "https://example.com",  # where a variable is more than a parameter, by its name
}
_NOWHERE = "http://127.0.0.1:9"
_DRIVER = """
import importlib, json, sys
class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "tollgate"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:tollgate"
    memory_limit_in_mb = "512"
    log_group_name = log_stream_name = "tollgate"
    def get_remaining_time_in_millis(self):
        return 15_000
handler = importlib.import_module(sys.argv[1]).handler
print(json.dumps(handler(json.load(sys.stdin), Context())))
"""

Event = dict[str, Any]


def sample(name: str) -> Event:
    event: Event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def with_header(event: Event, name: str, value: str) -> Event:
    headers = {**event["headers"], name: value}
    several = {**event["multiValueHeaders"], name: [value]}
    return {**event, "headers": headers, "multiValueHeaders": several}


def environ(template: Template, function: str, engine_url: str) -> dict[str, str]:
    """The function's variables and no others; the outside world is a closed port.

    A secret stands under its own name, as on a laptop: there is no SSM here to ask for it.
    """
    variables: dict[str, str] = {}
    for name, value in template.environment(function).items():
        if name.endswith("_PARAMETER"):
            secret = name.removesuffix("_PARAMETER")
            variables[secret] = SECRETS[secret]
        elif isinstance(value, str):
            variables[name] = value
        else:
            variables[name] = _PARAMETERS.get(value.get("Ref", name), "")
    return variables | {
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "deployed",
        "AWS_SECRET_ACCESS_KEY": "deployed",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_DYNAMODB": engine_url,
        "LAMBDA_TASK_ROOT": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'layers' / 'common'}:{ROOT}",
        "HTTPS_PROXY": _NOWHERE,
        "NO_PROXY": "127.0.0.1",
    }


def invoke(folder: str, event: Event, variables: Mapping[str, str]) -> Event:
    """What the handler returned; its process must have ended well."""
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, f"functions.{folder}.main"],
        input=json.dumps(event),
        env=dict(variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: Event = json.loads(done.stdout.splitlines()[-1])
    return answer


def header(answer: Event, name: str) -> str | None:
    """One header of an API Gateway answer, whichever way it was put there."""
    several = {key.lower(): values[0] for key, values in answer["multiValueHeaders"].items()}
    single = {key.lower(): value for key, value in answer["headers"].items()}
    found: str | None = (several | single).get(name)
    return found
