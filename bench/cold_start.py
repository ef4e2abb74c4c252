"""What importing each function's entry costs beside what it cannot do without (its floor).

Fresh processes, entry and floor in turns; the bare interpreter is not counted. Prints one JSON
line: medians in milliseconds of processor time (a start on Lambda is paid by it, and neighbours
disturb it least), the ratio, and the ratios' spread over the rounds. The webhook is also set
against importing stripe and botocore without making any client.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

_ROOT = Path(__file__).parents[1]
_ROUNDS = 9
_TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"

_DYNAMODB = "import botocore.session; botocore.session.get_session().create_client('dynamodb')"
_FLOORS = {
    "account": f"{_DYNAMODB}; import starlette.applications",
    "checkout": f"{_DYNAMODB}; import stripe",
    "generate_stream": f"{_DYNAMODB}; import starlette.applications, openai",
    "monthly_reset": _DYNAMODB,
    "oauth_callback": f"{_DYNAMODB}; import joserfc.jwt, cryptography.fernet",
    "studio": "import starlette.applications",
    "webhook": f"{_DYNAMODB}; import stripe",
}
_IMPORTS_ALONE = "import stripe, botocore.session"
_ENVIRON = {
    "PYTHONPATH": f"{_ROOT / 'layers' / 'common'}{os.pathsep}{_ROOT}",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "TOLLGATE_TABLE": "tollgate",
    "SESSION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "STRIPE_SECRET_KEY": "sk_test_bench",
    "STRIPE_WEBHOOK_SECRET": "whsec_bench",
    "OPENAI_API_KEY": "bench",
    "ANTHROPIC_API_KEY": "bench",
}


def main() -> None:
    programs = {name: f"import functions.{name}.main" for name in _FLOORS}
    programs |= {f"{name} floor": floor for name, floor in _FLOORS.items()}
    programs["imports alone"] = _IMPORTS_ALONE
    for program in programs.values():
        _milliseconds(program)  # writes bytecode, warms the disk's cache
    rounds = [
        {name: _milliseconds(program) for name, program in programs.items()} for _ in range(_ROUNDS)
    ]
    figures = {name: _compared(rounds, name, f"{name} floor") for name in _FLOORS}
    figures["webhook over stripe and botocore alone"] = _compared(
        rounds, "webhook", "imports alone"
    )
    print(json.dumps({"bench": "cold_start", "rounds": _ROUNDS, "functions": figures}))


def _milliseconds(program: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(program)]
    environ = {"PATH": os.environ.get("PATH", ""), **_ENVIRON}
    ended = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    return float(ended.stdout) * 1000


def _compared(rounds: Sequence[Mapping[str, float]], name: str, floor: str) -> dict[str, float]:
    ratios = [each[name] / each[floor] for each in rounds]
    return {
        "ms": round(median(each[name] for each in rounds), 1),
        "floor_ms": round(median(each[floor] for each in rounds), 1),
        "ratio": round(median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


if __name__ == "__main__":
    main()
