"""The stream's entry as Lambda Web Adapter runs it: its script, its environment, its headers."""

import http.client
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from local.processes import LOOPBACK, Processes, accepts, free_ports
from tests.deployment.entry import Event, sample, with_header
from tests.deployment.template import ROOT, Template
from tests.integration.billing_stripe import ScriptedStripe

Deployed = Callable[[str], dict[str, str]]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str


@contextmanager
def served(template: Template, variables: Mapping[str, str], logs: Path) -> Iterator[int]:
    """The port of a running `run.sh`, ready by the check that the adapter makes."""
    [port] = free_ports(1)
    functions = dict(template.made("AWS::Lambda::Function"))
    command = [str(ROOT / functions["GenerateStream"]["Handler"])]
    with Processes(logs) as processes:
        processes.start("stream", command, {**variables, "AWS_LWA_PORT": str(port)})
        processes.wait_until("stream", lambda: accepts(port))
        yield port


def answer_to(port: int, method: str, path: str, body: str, headers: Mapping[str, str]) -> Answer:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=20)) as connection:
        connection.request(method, path, body.encode(), dict(headers))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read().decode())


def sent(port: int, event: Event, seconds_left: int = 300) -> Answer:
    """What the adapter makes of an API Gateway event."""
    lambda_context = {
        "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "deadline": int(time.time() * 1000) + seconds_left * 1000,
        "invoked_function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:tollgate",
        "env_config": {"function_name": "tollgate", "memory": 1024},
    }
    headers = {
        **event["headers"],
        "x-amzn-request-context": json.dumps(event["requestContext"]),
        "x-amzn-lambda-context": json.dumps(lambda_context),
    }
    return answer_to(port, event["httpMethod"], event["path"], event["body"], headers)


def problem_of(answer: Answer) -> Event:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: Event = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


@pytest.fixture
def event(cookie: str) -> Event:
    return with_header(sample("generate_stream_generate"), "Cookie", cookie)


def test_the_readiness_check_finds_the_app_ready(
    template: Template, deployed: Deployed, tmp_path: Path
) -> None:
    variables = deployed("GenerateStream")
    with served(template, variables, tmp_path) as port:
        ready = answer_to(port, "GET", variables["AWS_LWA_READINESS_CHECK_PATH"], "", {})
    assert ready.status < 300


def test_an_event_that_is_no_request_reaches_no_route(
    template: Template, deployed: Deployed, tmp_path: Path
) -> None:
    variables = deployed("GenerateStream")
    event = sample("generate_stream_generate") | {"path": variables["AWS_LWA_PASS_THROUGH_PATH"]}
    with served(template, variables, tmp_path) as port:
        assert problem_of(sent(port, event))["code"] == "not_found"


def test_a_stranger_is_refused_under_the_gateways_request_id(
    template: Template, deployed: Deployed, tmp_path: Path
) -> None:
    event = sample("generate_stream_generate")
    with served(template, deployed("GenerateStream"), tmp_path) as port:
        problem = problem_of(sent(port, event))
    assert problem["code"] == "unauthenticated"
    assert problem["request_id"] == event["requestContext"]["requestId"]


def test_providers_out_of_reach_are_told_before_the_first_byte(
    template: Template, deployed: Deployed, tmp_path: Path, event: Event
) -> None:
    with served(template, deployed("GenerateStream"), tmp_path) as port:
        problem = problem_of(sent(port, event))
    assert (problem["status"], problem["code"]) == (503, "provider_unavailable")


def test_a_passed_deadline_asks_stripe_before_it_refuses(
    template: Template,
    deployed: Deployed,
    tmp_path: Path,
    event: Event,
    late_payer: ScriptedStripe,
) -> None:
    variables = deployed("GenerateStream") | {"STRIPE_API_BASE": late_payer.url}
    with served(template, variables, tmp_path) as port:
        problem_of(sent(port, event))
    assert [path for _, path, _ in late_payer.requests] == ["/v1/subscriptions"]


def test_a_generation_streams_to_its_end(
    template: Template, deployed: Deployed, models: str, tmp_path: Path, event: Event
) -> None:
    variables = deployed("GenerateStream") | {"ANTHROPIC_BASE_URL": f"{models}/anthropic"}
    with served(template, variables, tmp_path) as port:
        answer = sent(port, event)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    parts = re.findall(r'^data: \{"type":"([a-z-]+)"', answer.body, re.MULTILINE)
    assert parts[:3] == ["start", "start-step", "text-start"]
    assert parts[-3:] == ["text-end", "finish-step", "finish"]
    assert answer.body.rstrip().endswith("data: [DONE]")


def test_the_stream_ends_properly_before_the_function_is_ended(
    template: Template, deployed: Deployed, models: str, tmp_path: Path, event: Event
) -> None:
    """L5: what it took to open the stream counts too."""
    variables = deployed("GenerateStream") | {"ANTHROPIC_BASE_URL": f"{models}/anthropic"}
    with served(template, variables, tmp_path) as port:
        sent(port, event)  # the first one waits for the provider's SDK, for who knows how long
        httpx2.post(f"{models}/faults", json=[{"delay_ms": 1_500}]).raise_for_status()
        began = time.monotonic()
        answer = sent(port, event, seconds_left=8)
        took = time.monotonic() - began
    assert took < 7
    assert '"finishReason":"other"' in answer.body
    assert answer.body.rstrip().endswith("data: [DONE]")


def test_the_script_stops_where_it_is_told_nothing() -> None:
    """Without the adapter's variables it must not serve a port that nobody asked for."""
    done = subprocess.run(
        [str(ROOT / "functions/generate_stream/run.sh")],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
