"""Stripe's stand-in on 127.0.0.1: no card is ever charged."""

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from local.clock import Clock
from local.stripe.app import build
from tollgate import catalogue


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.stripe", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clock", type=Path, required=True, help="the stack's clock file")
    parser.add_argument("--state", type=Path, required=True, help="an SQLite file; made if absent")
    parser.add_argument("--webhook-url", required=True)
    parser.add_argument("--webhook-secret", default="whsec_local")
    parser.add_argument("--key", default="sk_test_local")
    parser.add_argument("--plans", default=os.environ.get("TOLLGATE_PLANS"), help="plans.toml")
    parser.add_argument("--delay-ms", type=int, default=20, help="how long a POST is under way")
    given = parser.parse_args()
    try:
        plans = catalogue.load(Path(given.plans) if given.plans else None)
    except catalogue.CatalogueError as error:
        sys.exit(str(error))
    app = build(
        clock=Clock(given.clock),
        state=given.state,
        catalogue=plans,
        webhook_url=given.webhook_url,
        webhook_secret=given.webhook_secret,
        key=given.key,
        delay_ms=given.delay_ms,
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
