"""DynamoDB on a laptop: dynoxide, one binary from npm, or ministack where it has none."""

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from local.environment import (
    ROOT,
    STATE,
    clean_environ,
    digest,
    one_at_a_time,
    say,
    succeeds,
    synchronised,
)
from local.processes import LOOPBACK

_LOCKS = ROOT / "local" / "locks"
_CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Engine:
    """How to run the stand-in that this machine has."""

    program: Path
    is_dynoxide: bool

    def command(self, port: int, data: Path | None) -> list[str]:
        """Without `data` it keeps everything in memory, which is several times as fast."""
        if not self.is_dynoxide:
            return [str(self.program)]
        serve = [str(self.program), "serve", "--host", LOOPBACK, "--port", str(port)]
        return serve if data is None else [*serve, "--db-path", str(data / "dynamodb.db")]

    def environ(self, port: int, data: Path) -> dict[str, str]:
        if self.is_dynoxide:
            return {}
        return {
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(data / "ministack"),
        }


def prepare() -> Engine:
    with one_at_a_time():
        return _dynoxide() or _ministack()


def _dynoxide() -> Engine | None:
    folder = STATE / "engine"
    cpu = _CPUS.get(platform.machine().lower(), "unknown")
    system = f"{sys.platform}-{cpu}"
    program = folder / "node_modules" / "@dynoxide" / system / "dynoxide"
    lock = _LOCKS / "package-lock.json"
    stamp = folder / "installed-lock"
    current = stamp.exists() and stamp.read_text(encoding="ascii") == digest(lock)
    npm = shutil.which("npm")
    if not current and npm and f"@dynoxide/{system}" in lock.read_text(encoding="utf-8"):
        say("Installing the database engine …")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_LOCKS / name, folder / name)
        quiet = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        if succeeds([npm, "ci", *quiet, "--prefix", str(folder)]) and _runs(program):
            stamp.write_text(digest(lock), encoding="ascii")
    return Engine(program, is_dynoxide=True) if stamp.exists() and program.exists() else None


def _runs(program: Path) -> bool:
    """npm skips an optional package without a word, and a binary may not suit this machine."""
    return program.exists() and succeeds([str(program), "--version"])


def _ministack() -> Engine:
    folder = STATE / "ministack"
    synchronised(folder, _LOCKS / "ministack.txt", "the database engine's second choice")
    return Engine(folder / "bin" / "ministack", is_dynoxide=False)


def base_environ() -> dict[str, str]:
    """No AWS setting of the caller's reaches a local process: it must never find a real account."""
    kept = {
        name: value
        for name, value in clean_environ().items()
        if not name.startswith("AWS_") or name == "AWS_CA_BUNDLE"
    }
    direct = ",".join(filter(None, [kept.get("NO_PROXY", ""), LOOPBACK, "localhost"]))
    return kept | {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": direct,
        "no_proxy": direct,
        "PYTHONPATH": f"{ROOT / 'layers' / 'common'}:{ROOT}",
        "PYTHONUNBUFFERED": "1",
    }
