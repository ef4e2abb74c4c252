"""One stand-in alone, for tests of how it behaves."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.engine import base_environ
from local.processes import Processes, accepts, free_ports


@contextmanager
def stand_in(module: str, folder: Path, *arguments: str) -> Iterator[str]:
    """Its address, while it runs."""
    [port] = free_ports(1)
    environ = base_environ() | {"LOCAL_MODELS_DELAY_MS": "5"}
    with Processes(folder) as processes:
        command = [sys.executable, "-m", module, "--port", str(port), *arguments]
        processes.start(module, command, environ)
        processes.wait_until(module, lambda: accepts(port))
        yield f"http://127.0.0.1:{port}"
