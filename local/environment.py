"""Python environments that match their locks, made with nothing but a bare Python.

A stamp of the lock's hash inside each environment makes the second start a comparison of strings.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
OLDEST_PYTHON = (3, 11)


class SetupError(Exception):
    """Preparation cannot go on; the message is one sentence that says what to do."""


def say(text: str) -> None:
    """Progress goes out at once, also into a pipe."""
    print(text, flush=True)


def prepare() -> Path:
    """The interpreter of `.venv`, which holds exactly what requirements.txt locks."""
    check_python()
    with one_at_a_time():
        return synchronised(ROOT / ".venv", ROOT / "requirements.txt", "the Python packages")


def check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"This is Python {found}, and Tollgate needs 3.11 or newer: "
            "install one and run make again."
        )
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise SetupError(
            f"{sys.executable} has no venv module: install it "
            "(on Debian and Ubuntu: apt-get install python3-venv) and run make again."
        )


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """A second launcher waits for the first to finish installing instead of racing it."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def synchronised(folder: Path, lock: Path, what: str) -> Path:
    """The interpreter of the environment at `folder`, installed from `lock` where it is not yet."""
    python = folder / "bin" / "python"
    wanted = digest(lock)
    stamp = folder / "installed-lock"
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted and python.exists():
        return python
    say(f"Installing {what} (only the first time, and when {lock.name} changes) …")
    if not _runs(python):
        _call([sys.executable, "-m", "venv", "--clear", str(folder)], "A virtual environment")
    stamp.unlink(missing_ok=True)
    _install(python, lock)
    stamp.write_text(wanted, encoding="ascii")
    return python


def _install(python: Path, lock: Path) -> None:
    """With uv where it can be had, which takes seconds; else with pip, which takes a minute."""
    uv = _uv(python)
    if uv:
        sync = [uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes"]
        if succeeds([*sync, "--compile-bytecode", str(lock)]):
            return
        say("uv could not reach the packages; trying pip …")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _call([*pip, "--require-hashes", "-r", str(lock)], "The Python packages")


def _uv(python: Path) -> str | None:
    """The lock of the developer's environment pins uv too; other environments borrow that one."""
    for place in (python.with_name("uv"), ROOT / ".venv" / "bin" / "uv"):
        if place.exists():
            return str(place)
    pinned = re.search(
        r"^uv==.*?(?=^\S)", (ROOT / "requirements.txt").read_text() + "\n#", re.M | re.S
    )
    if pinned is None:
        return None
    only_uv = STATE / "uv.txt"
    only_uv.write_text(pinned[0], encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    installed = succeeds([*pip, "--require-hashes", "-r", str(only_uv)])
    return str(python.with_name("uv")) if installed else None


def _runs(python: Path) -> bool:
    return python.exists() and succeeds([str(python), "-c", "import pip"])


def succeeds(command: Sequence[str]) -> bool:
    """Its errors go to the terminal, as the explanation of a failure."""
    ended = subprocess.run(command, check=False, env=clean_environ(), stdout=subprocess.DEVNULL)  # noqa: S603 - our own command lines
    return ended.returncode == 0


def _call(command: Sequence[str], what: str) -> None:
    if not succeeds(command):
        raise SetupError(
            f"{what} could not be installed; the lines above say why. "
            "Check the network connection and run make again."
        )


def clean_environ() -> dict[str, str]:
    """An activated environment or a PYTHONPATH of the caller's must not leak into ours."""
    strange = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"}
    return {name: value for name, value in os.environ.items() if name not in strange}


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()
