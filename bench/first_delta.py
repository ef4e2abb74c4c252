"""How soon text reaches a client whose model sends a chunk every 200 ms.

On a stack of its own. Prints one JSON line: medians in milliseconds from the model's chunks and
from the request, and how many chunks the model had sent when the first text arrived (the goal is
fewer than three).
"""

import json
import time
from statistics import median

import httpx2

from tests.journeys.person import Person
from tests.stack import running_stack

_ROUNDS = 7
_DELAY_MS = 200


def main() -> None:
    with running_stack({"LOCAL_MODELS_DELAY_MS": str(_DELAY_MS)}) as stack:
        with Person(stack.url) as person:
            person.sign_in()
            person.generate("summary", "so that the client is loaded, in 1 words")
            arrivals = [_first_text(person) for _ in range(_ROUNDS)]
        calls = httpx2.get(f"{stack.environ['LOCAL_MODELS']}/calls").json()["calls"][1:]
    behind = [
        (arrived - call["chunks"][0]) * 1000
        for (_, arrived), call in zip(arrivals, calls, strict=True)
    ]
    sent = [
        sum(chunk <= arrived for chunk in call["chunks"])
        for (_, arrived), call in zip(arrivals, calls, strict=True)
    ]
    asked = [(arrived - began) * 1000 for began, arrived in arrivals]
    figures = {
        "bench": "first_delta",
        "rounds": _ROUNDS,
        "chunk_delay_ms": _DELAY_MS,
        "after_first_chunk_ms": round(median(behind), 1),
        "slowest_after_first_chunk_ms": round(max(behind), 1),
        "after_request_ms": round(median(asked), 1),
        "most_chunks_sent_before": max(sent),
    }
    print(json.dumps(figures))


def _first_text(person: Person) -> tuple[float, float]:
    """When the request left and when its first text arrived, in Unix seconds."""
    body = {"blueprint": "summary", "input": "in 4 words"}
    began, arrived = time.time(), 0.0
    with person.http.stream("POST", "/generate", json=body) as response:
        for line in response.iter_lines():
            if '"text-delta"' in line and not arrived:
                arrived = time.time()
    return began, arrived


if __name__ == "__main__":
    main()
