"""The launcher behind `make run` and `make setup`, with nothing but the standard library.

It prepares what is missing, starts the stack, prints where it is, and stops all of it on Ctrl-C.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from local import engine, environment, stack
from local.people import DEMO
from local.processes import port_is_free

_POLL_SECONDS = 0.5


class Stopped(BaseException):
    """Somebody asked the launcher to end: no error, and nothing else may catch it."""


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        if arguments.command == "setup":
            environment.prepare()
            engine.prepare()
        else:
            port = _free_port(arguments.port)
            data = arguments.data or environment.STATE / str(port)
            _run(data.resolve(), port)
    except environment.SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except Stopped:
        environment.say("\nStopped.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.launch", description=__doc__)
    parser.add_argument("command", choices=("run", "setup"))
    parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
    parser.add_argument("--data", type=Path, help="state folder (default: .local/PORT)")
    return parser.parse_args()


def _free_port(value: str) -> int:
    """Asked for before anything is installed: a taken port is the commonest trouble."""
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise environment.SetupError(f"PORT must be a number from 1 to 65535, not {value!r}.")
    if not port_is_free(int(value)):
        raise environment.SetupError(
            f"Port {value} is taken: stop what listens there, "
            "or choose another one with `make run PORT=8080`."
        )
    return int(value)


def _run(data: Path, port: int) -> None:
    python = environment.prepare()
    database = engine.prepare()
    environment.say("Starting the database, the stand-ins and the server …")
    with stack.running(python, database, data, port, {}) as started:
        _greet(started)
        while True:
            started.processes.check()
            time.sleep(_POLL_SECONDS)


def _greet(started: stack.Stack) -> None:
    lines = []
    if "LOCAL_ISSUER" in started.environ:
        lines += ["", "Sign in with one click as"]
        login = f"{started.url}/auth/local/login?login_hint="
        lines += [f"  {who.partition('@')[0].title():6} {login}{who}" for who in DEMO]
    lines += ["", f"State and logs are in {_short(started.data)}. Ctrl-C stops everything."]
    lines += ["", f"Tollgate is ready at {started.url}"]
    environment.say("\n".join(lines))


def _short(path: Path) -> str:
    inside = path.is_relative_to(environment.ROOT)
    return str(path.relative_to(environment.ROOT) if inside else path)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
