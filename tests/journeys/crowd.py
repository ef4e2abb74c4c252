"""Many requests at once from a process of its own, because one client's event loop is a queue.

`python -m tests.journeys.crowd URL COOKIE TEXT COUNT START`: COUNT posts to /generate, each over a
socket of its own, all let go at START (Unix seconds); prints each answer's status and problem.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx2

_PATIENCE_SECONDS = 60.0


async def crowd(url: str, cookie: str, body: str, count: int, start: float) -> list[dict[str, Any]]:
    limits = httpx2.Limits(max_connections=count, max_keepalive_connections=count)
    headers = {"cookie": cookie, "content-type": "application/json"}
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=_PATIENCE_SECONDS
    ) as client:
        # The sockets are open before the start, so that nothing but the requests is in the race.
        await asyncio.gather(*(client.get("/auth/providers") for _ in range(count)))
        await asyncio.sleep(start - time.time())
        answers = await asyncio.gather(
            *(client.post("/generate", content=body) for _ in range(count))
        )
    return [_told(answer) for answer in answers]


def _told(answer: httpx2.Response) -> dict[str, Any]:
    problem = answer.json() if answer.status_code != 200 else {}
    return {
        "status": answer.status_code,
        "done": answer.text.endswith("data: [DONE]\n\n"),
        "code": problem.get("code"),
        "scope": problem.get("scope"),
    }


def main(arguments: Sequence[str]) -> None:
    url, cookie, text, count, start = arguments
    body = json.dumps({"blueprint": "summary", "input": text})
    print(json.dumps(asyncio.run(crowd(url, cookie, body, int(count), float(start)))))


if __name__ == "__main__":
    main(sys.argv[1:])
