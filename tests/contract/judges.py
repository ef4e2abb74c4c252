"""Who says whether a request is one that Stripe knows.

The generated types of the pinned SDK judge always, to the innermost parameter. Where `stripe-mock`
is at hand it judges too, by Stripe's published OpenAPI specification, which it carries.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl

import httpx2

from local.engine import base_environ
from local.environment import STATE
from local.processes import Processes, accepts, free_ports
from local.stripe import schema
from local.stripe.wire import StripeError, decode
from tests.contract.calls import Operation
from tests.contract.recorder import Request

Judge = Callable[[Request], str | None]
"""What is wrong with it."""


def by_types(operations: Sequence[Operation]) -> Judge:
    """Against the operations that were found in the code: another one is wrong by itself."""

    def judge(request: Request) -> str | None:
        known = [each for each in operations if each.is_asked_by(request.method, request.path)]
        if not known:
            return "no call in the code asks for it"
        try:
            schema.read(known[0].params, decode(parse_qsl(request.form, keep_blank_values=True)))
        except StripeError as error:
            return str(error)
        return None

    return judge


def stripe_mock() -> Path | None:
    """The one that `make contract-stripe` installed, before any other of unknown age."""
    ours = STATE / "bin" / "stripe-mock"
    named = os.environ.get("STRIPE_MOCK") or (ours if ours.exists() else shutil.which(ours.name))
    return Path(named) if named else None


@contextmanager
def by_specification(binary: Path) -> Iterator[Judge]:
    [port, secure_port] = free_ports(2)
    command = [str(binary), "-http-port", str(port), "-https-port", str(secure_port)]
    with TemporaryDirectory() as logs, Processes(Path(logs)) as processes:
        processes.start("stripe-mock", command, base_environ())
        processes.wait_until("stripe-mock", lambda: accepts(port))
        headers = {"authorization": "Bearer sk_test_contract"}
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False
        ) as client:
            yield lambda request: _refusal(client, request)


def _refusal(client: httpx2.Client, request: Request) -> str | None:
    if request.method == "POST":
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = client.post(request.path, content=request.form, headers=form)
    else:
        answer = client.request(request.method, f"{request.path}?{request.form}")
    return (
        None if answer.is_success else f"{answer.status_code} {answer.json()['error']['message']}"
    )
