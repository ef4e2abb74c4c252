"""Stacks and engines for tests, each on free ports with data of its own."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from local import engine, stack
from local.processes import Processes, accepts, free_ports

# Keys of the developer's own would turn a test into a bill.
_STAND_INS_ONLY = {
    "OPENAI_API_KEY": "",
    "ANTHROPIC_API_KEY": "",
    "STRIPE_SECRET_KEY": "",
    "GOOGLE_CLIENT_ID": "",
    "TOLLGATE_PLANS": "",
    "PUBLIC_URL": "",
    "ALLOWED_ORIGINS": "",
}


@contextmanager
def running_stack(extra: Mapping[str, str] | None = None) -> Iterator[stack.Stack]:
    """A whole stack, empty; `extra` is added to the environment of all its processes."""
    [port] = free_ports(1)
    with TemporaryDirectory(prefix="tollgate-") as folder:
        environ = _STAND_INS_ONLY | dict(extra or {})
        python = Path(sys.executable)
        with stack.running(python, engine.prepare(), Path(folder), port, environ) as started:
            yield started


@contextmanager
def running_engine() -> Iterator[str]:
    """DynamoDB's address, with no table in it."""
    chosen = engine.prepare()
    [port] = free_ports(1)
    with TemporaryDirectory(prefix="tollgate-") as folder:
        data = Path(folder)
        environ = engine.base_environ() | chosen.environ(port, data)
        with Processes(data / "log") as processes:
            processes.start("engine", chosen.command(port, None), environ)
            processes.wait_until("engine", lambda: accepts(port))
            yield f"http://127.0.0.1:{port}"
