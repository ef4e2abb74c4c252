"""A whole Tollgate on loopback: engine, stand-ins and server, each with state in one folder.

A real service's key in the environment puts that service in the place of its stand-in.
"""

import base64
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local import engine as engines
from local.environment import SetupError
from local.processes import LOOPBACK, Processes, accepts, assert_private, free_ports

_PARTS = ("engine", "identity provider", "models", "Stripe stand-in")


@dataclass(frozen=True)
class Stack:
    """A running stack; `environ`, what its server was given, has the addresses of the stand-ins."""

    port: int
    data: Path
    environ: Mapping[str, str]
    processes: Processes

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@contextmanager
def running(
    python: Path, engine: engines.Engine, data: Path, port: int, extra: Mapping[str, str]
) -> Iterator[Stack]:
    """Ready when entered, gone when left. The port must be free; every process is given `extra`."""
    data.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(_PARTS, free_ports(len(_PARTS)), strict=True))
    environ = environ_of(data, port, ports, extra)
    commands = _commands(python, data, port, ports, environ)
    with Processes(data / "log") as processes:
        place = ports["engine"]
        processes.start(
            "engine", engine.command(place, data), environ | engine.environ(place, data)
        )
        for name, command in commands.items():
            processes.start(name, command, environ)
        processes.wait_until("engine", partial(accepts, place))
        processes.start("server", [str(python), "-m", "local.server"], environ)
        for name in commands:
            processes.wait_until(name, partial(accepts, ports[name]))
        processes.wait_until("server", partial(_healthy, port))
        assert_private({name: ports[name] for name in ("engine", *commands)} | {"server": port})
        yield Stack(port, data, environ, processes)


def _commands(
    python: Path, data: Path, port: int, ports: Mapping[str, int], environ: Mapping[str, str]
) -> dict[str, list[str]]:
    """The stand-ins that no real service replaces, by name."""
    clock = ["--clock", str(data / "clock")]
    webhooks = f"http://{LOOPBACK}:{port}/webhooks/stripe"
    wanted = {
        "identity provider": ("LOCAL_ISSUER", "local.identity_provider", clock),
        "models": ("LOCAL_MODELS", "local.models", []),
        "Stripe stand-in": (
            "LOCAL_STRIPE",
            "local.stripe",
            [*clock, "--state", str(data / "stripe.db"), "--webhook-url", webhooks],
        ),
    }
    return {
        name: [str(python), "-m", module, "--port", str(ports[name]), *arguments]
        for name, (setting, module, arguments) in wanted.items()
        if setting in environ
    }


def environ_of(
    data: Path, port: int, ports: Mapping[str, int], extra: Mapping[str, str]
) -> dict[str, str]:
    """What every process is given; an empty value counts as none."""
    environ = {
        **engines.base_environ(),
        "PORT": str(port),
        "TOLLGATE_TABLE": "tollgate",
        "AWS_ENDPOINT_URL_DYNAMODB": f"http://{LOOPBACK}:{ports['engine']}",
        "SESSION_KEYS": _session_keys(data / "session-keys"),
        "LOCAL_CLOCK": str(data / "clock"),
        **extra,
    }
    models = f"http://{LOOPBACK}:{ports['models']}"
    if not environ.get("OPENAI_API_KEY"):
        environ |= {"OPENAI_API_KEY": "sk-local", "OPENAI_BASE_URL": f"{models}/v1"}
        environ["LOCAL_MODELS"] = models
    if not environ.get("ANTHROPIC_API_KEY"):
        environ |= {"ANTHROPIC_API_KEY": "sk-local", "ANTHROPIC_BASE_URL": f"{models}/anthropic"}
        environ["LOCAL_MODELS"] = models
    if not environ.get("GOOGLE_CLIENT_ID"):
        environ["LOCAL_ISSUER"] = f"http://{LOOPBACK}:{ports['identity provider']}"
    if not environ.get("STRIPE_SECRET_KEY"):
        stripe = f"http://{LOOPBACK}:{ports['Stripe stand-in']}"
        environ |= {"STRIPE_SECRET_KEY": "sk_test_local", "STRIPE_WEBHOOK_SECRET": "whsec_local"}
        environ |= {"STRIPE_API_BASE": stripe, "LOCAL_STRIPE": stripe}
    elif not environ.get("STRIPE_WEBHOOK_SECRET"):
        raise SetupError(
            "STRIPE_SECRET_KEY is set without STRIPE_WEBHOOK_SECRET, so that every webhook would "
            "be refused: set it to what `stripe listen --print-secret` prints."
        )
    return environ


def _session_keys(path: Path) -> str:
    """Made once for each state folder, so that a restart logs nobody out."""
    if not path.exists():
        key = base64.urlsafe_b64encode(os.urandom(32))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(key)
    return path.read_text(encoding="ascii")


def _healthy(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{LOOPBACK}:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
