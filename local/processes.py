"""Processes that live and die together, each in a group of its own with a log of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from local.environment import ROOT, SetupError

LOOPBACK = "127.0.0.1"
_GRACE_SECONDS = 5.0
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.03


class Processes:
    """Leaving the context stops them all; so does the launcher's death, whatever its cause."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._watch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        watch = Path(__file__).with_name("watch.py")
        self._watch = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-I", "-S", str(watch)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command lines
                command,
                cwd=ROOT,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[name] = process
        if self._watch and self._watch.stdin:
            self._watch.stdin.write(f"{process.pid}\n".encode())
            self._watch.stdin.flush()

    def check(self) -> None:
        """All of them run still, or the one that ended is named with the end of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                log = self._logs / f"{name}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise SetupError(f"{tail}\nThe {name} has stopped; its whole log is {log}.")

    def wait_until(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                log = self._logs / f"{name}.log"
                raise SetupError(f"The {name} did not get ready; {log} may say why.")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """The last one started first; who takes longer than five seconds is killed."""
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in reversed(self._running.values()):
            _signal_group(process, signal.SIGTERM)
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._running.clear()
        if self._watch and self._watch.stdin:
            self._watch.kill()
            self._watch.stdin.close()
            self._watch.wait()
            self._watch = None


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def free_ports(count: int) -> list[int]:
    """All held open until all are known, so that no two are the same."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def port_is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def accepts(port: int, host: str = LOOPBACK) -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def assert_private(names: Mapping[str, int]) -> None:
    """A server that listens on every interface also answers on 127.0.0.2 (on Linux; elsewhere
    that address is not there, and nothing can be told)."""
    for name, port in names.items():
        if accepts(port, "127.0.0.2"):
            raise SetupError(f"The {name} listens beyond {LOOPBACK}, which is not safe: stopped.")
