"""What the monthly reset costs against a job that scans the table, where 2 % of the gates are due.

All gates stand in the index; the others' periods end at another time. Prints one JSON line. The
minimum is one index page and one batch read for each hundred due gates, and their transactions.
At last, runs that are killed every few seconds are set against one that is not.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from local.engine import base_environ
from tests.stack import running_engine

_SIZES = tuple(int(each) for each in sys.argv[1:]) or (50_000, 200_000)
_DUE_PERCENT = 2
_PAGE = 100
_KILLED_GATES, _KILLED_DUE, _KILLED_AFTER_SECONDS = 6_000, 4_000, 2.0
Figures = dict[str, Any]


def main() -> None:
    with running_engine() as url:
        environ = {**base_environ(), "AWS_ENDPOINT_URL_DYNAMODB": url}
        _part(environ, "seed", "single", 500, 500)
        units = _part(environ, "single_closes", "single")["units_each"]
        runs = [_run(environ, gates, units) for gates in _SIZES]
        killed = _killed(environ)
    print(json.dumps({"bench": "reset", "runs": runs, "killed": killed}))


def _run(environ: Mapping[str, str], gates: int, units_each: float) -> Figures:
    name, due = f"gates-{gates}", gates * _DUE_PERCENT // 100
    _part(environ, "seed", name, gates, due)
    figures = {
        part: _part(environ, part, name)
        for part in ("scan_and_update", "scan_and_update_due", "ours")
    }
    assert figures["ours"]["closed"] == due
    pages = -(-due // _PAGE)
    minimum = {"requests": 2 * pages + due, "units": round(units_each * due)}
    return {"gates": gates, "due": due, **figures, "minimum": minimum}


def _killed(environ: Mapping[str, str]) -> Figures:
    """Each run but the last is killed; the state is every item of the table."""
    for name in ("whole", "killed"):
        _part(environ, "seed", name, _KILLED_GATES, _KILLED_DUE)
    _part(environ, "ours", "whole")
    runs = 1
    while not _survives(environ, "killed"):
        runs += 1
    states = [_part(environ, "state", name)["digest"] for name in ("whole", "killed")]
    return {"runs": runs, "due": _KILLED_DUE, "same_state": states[0] == states[1]}


def _survives(environ: Mapping[str, str], name: str) -> bool:
    """The time to its death is counted from its first line: it has work to do in it."""
    with subprocess.Popen(
        _command("ours", name), env=environ, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        try:
            return running.wait(_KILLED_AFTER_SECONDS) == 0
        except subprocess.TimeoutExpired:
            running.kill()
            return False


def _part(environ: Mapping[str, str], *arguments: object) -> Figures:
    ended = subprocess.run(
        _command(*arguments), env=environ, check=True, stdout=subprocess.PIPE, text=True
    )
    figures: Figures = json.loads(ended.stdout.splitlines()[-1])
    return figures


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "bench.reset_part", *map(str, arguments)]


if __name__ == "__main__":
    main()
