"""What an admission costs and whether it holds, beside the usual ways to do it.

Tollgate's one conditional write, the read-then-write of the usual starter kit, and zae-limiter, on
one engine in one run. Prints one JSON line; of each, per admitted generation:

- requests, write and read units in a paced run in which nothing is refused. What an account's
  first admission of a period costs stands apart as `first`: it enters the index of what is due, or
  finds caches and buckets empty. `with_settlement` adds what it takes to give unused tokens back.
- `admitted`: how many of 10,000 requests by 64 workers (two processes) got in at a limit of 1,000.
- `cpu_vs_botocore`: the client's processor time over that of a default botocore client's bare
  `update_item`, in turns in one process; the median of the rounds, the lowest and the highest.
"""

import json
import subprocess
import sys
from typing import Any

from bench.admission_peers.measure import ATTEMPTS, LIMIT, ROUNDS, WORKERS
from local.engine import base_environ
from local.environment import ROOT
from tests.stack import running_engine

_PYTHONS = {
    "ours": sys.executable,
    "read_then_write": sys.executable,
    "zae_limiter": str(ROOT / ".local" / "zae_limiter" / "bin" / "python"),
}


def main() -> None:
    with running_engine() as url:
        peers = {peer: _figures(python, peer, url) for peer, python in _PYTHONS.items()}
    measured = {"limit": LIMIT, "attempts": ATTEMPTS, "workers": WORKERS, "rounds": ROUNDS}
    print(json.dumps({"bench": "admission", **measured, **peers}))


def _figures(python: str, peer: str, engine_url: str) -> dict[str, Any]:
    command = [python, "-m", "bench.admission_peers.measure", peer, engine_url]
    ended = subprocess.run(
        command, env=base_environ(), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


if __name__ == "__main__":
    main()
