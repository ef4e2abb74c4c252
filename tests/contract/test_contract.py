"""The contract's own parts, and the contract itself over the code as it stands."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import stripe

from local.engine import base_environ
from local.environment import ROOT
from local.processes import free_ports
from tests.contract.calls import operation, sites
from tests.contract.judges import by_specification, by_types, stripe_mock
from tests.contract.recorder import Recorder, Request
from tests.contract.run import report

CODE = """
def one(client):
    return client.v1.customers.retrieve("cus_1")


def other(ask):
    return ask(
        lambda client: client.v1.checkout.sessions.create(
            {"mode": "subscription"},
        )
    )


def none(client):
    return client.v1.prices  # no call
"""


def test_every_stripe_call_in_the_code_is_sent_and_one_that_stripe_knows() -> None:
    """A new call needs a test under tests/integration that makes the code send it."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.contract.run", "--briefly"],
        cwd=ROOT,
        env=base_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4_000:] + ended.stderr[-2_000:]
    assert ended.stdout.rstrip().endswith("difference none")


@pytest.fixture
def module(tmp_path: Path) -> Any:
    file = tmp_path / "sample.py"
    file.write_text(CODE, encoding="utf-8")
    spec = spec_from_file_location("sample", file)
    assert spec is not None
    assert spec.loader is not None
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(sites([tmp_path]), [tmp_path])


def client() -> stripe.StripeClient:
    """Its requests reach nobody; they are noted before that."""
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    return stripe.StripeClient("sk_test_x", base_addresses={"api": base}, max_network_retries=0)


def test_calls_are_found_wherever_they_stand(module: Any, recorder: Recorder) -> None:
    assert recorder.names == ["checkout.sessions.create", "customers.retrieve"]


def test_a_call_counts_as_sent_only_where_the_code_itself_sends_it(
    module: Any, recorder: Recorder
) -> None:
    with recorder.recording():
        with pytest.raises(stripe.APIConnectionError):
            client().v1.customers.retrieve("cus_1")
        assert (recorder.sent, recorder.requests) == (set(), {})
        with pytest.raises(stripe.APIConnectionError):
            module.other(lambda call: call(client()))
    assert list(recorder.requests) == [
        Request("POST", "/v1/checkout/sessions", "mode=subscription")
    ]
    [missing] = recorder.missing
    lines, difference = report(recorder, [])
    assert (missing.name, difference) == ("customers.retrieve", {"customers.retrieve"})
    assert lines[-1] == (
        "contract-stripe: 2 distinct calls in the code, "
        "1 sent and validated, difference customers.retrieve"
    )


def test_a_call_whose_request_is_refused_is_not_validated(module: Any, recorder: Recorder) -> None:
    recorder.sent |= set(recorder.sites)
    lines, difference = report(recorder, [(Request("GET", "/v1/customers/cus_1", "x=1"), "no")])
    assert difference == {"customers.retrieve"}
    assert lines[0] == "  refused: GET /v1/customers/cus_1 x=1: no"


RIGHT = Request("GET", "/v1/subscriptions", "limit=10")
WRONG = [
    Request("POST", "/v1/checkout/sessions", "mode=subscribe"),
    Request("POST", "/v1/checkout/sessions", "line_items[0][quantity]=two"),
    Request("GET", "/v1/subscriptions", "limit=ten"),
    Request("GET", "/v1/subscriptions", "customers=cus_1"),
    Request("POST", "/v1/subscription", ""),
]
WRONG_INSIDE = Request("POST", "/v1/checkout/sessions", "line_items[0][prize]=price_1")
"""The specification leaves nested objects open; the types do not."""


def test_the_types_refuse_what_stripe_does_not_know() -> None:
    judge = by_types([operation("checkout.sessions.create"), operation("subscriptions.list")])
    accepted = [request for request in [RIGHT, *WRONG, WRONG_INSIDE] if judge(request) is None]
    assert accepted == [RIGHT]


@pytest.mark.skipif(stripe_mock() is None, reason="make contract-stripe installs it where Go is")
def test_the_specification_refuses_what_stripe_does_not_know() -> None:
    binary = stripe_mock()
    assert binary is not None
    with by_specification(binary) as judge:
        accepted = [request for request in [RIGHT, *WRONG] if judge(request) is None]
    assert accepted == [RIGHT]
