"""A wire that counts: HTTP requests, and the units that the engine says they consumed.

It stands between any client and the engine, and asks for the units itself, so that no client needs
to be opened up for it. Only the counting goes over it; what is timed goes straight. Where a write's
condition was false the engine tells no units: it counts as one, which the small items here cost.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_READS = {"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"}
_WRITES = {"UpdateItem", "PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
_PASSED_ON = ("content-type", "x-amzn-requestid", "x-amz-crc32")


@dataclass
class Count:
    """What went over the wire since the last `take`."""

    requests: int = 0
    write_units: float = 0
    read_units: float = 0

    def take(self) -> "Count":
        taken = Count(self.requests, self.write_units, self.read_units)
        self.requests, self.write_units, self.read_units = 0, 0, 0
        return taken

    def plus(self, other: "Count") -> "Count":
        return Count(
            self.requests + other.requests,
            self.write_units + other.write_units,
            self.read_units + other.read_units,
        )

    def each(self, times: int) -> dict[str, float]:
        return {
            "requests": round(self.requests / times, 3),
            "write_units": round(self.write_units / times, 3),
            "read_units": round(self.read_units / times, 3),
        }


@dataclass
class Wire:
    url: str
    count: Count = field(default_factory=Count)


@contextmanager
def counting(engine_url: str) -> Iterator[Wire]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    wire = Wire(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type(
        "Bound", (_Handler,), {"engine": urlsplit(engine_url).netloc, "count": wire.count}
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: str
    count: Count

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
        counted = operation in _READS | _WRITES
        if counted:
            body = json.dumps({**json.loads(body), "ReturnConsumedCapacity": "TOTAL"}).encode()
        answer, status, headers = self._forwarded(body)
        if counted:
            self._count(operation, json.loads(answer))
        self.send_response(status)
        for name in _PASSED_ON:
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _count(self, operation: str, answer: dict[str, Any]) -> None:
        refused = "ConditionalCheckFailed" in answer.get("__type", "")
        units = 1.0 if refused else _units(answer.get("ConsumedCapacity"))
        self.count.requests += 1
        if operation in _READS:
            self.count.read_units += units
        else:
            self.count.write_units += units

    def _forwarded(self, body: bytes) -> tuple[bytes, int, dict[str, str]]:
        skipped = {"host", "content-length", "connection", "accept-encoding"}
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in skipped
        }
        upstream = HTTPConnection(self.engine, timeout=30)
        try:
            upstream.request("POST", "/", body, headers)
            answer = upstream.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.read(), answer.status, named
        finally:
            upstream.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line a request would drown the figures."""


def _units(consumed: Any) -> float:
    tables = consumed if isinstance(consumed, list) else [consumed or {}]
    return sum(float(table.get("CapacityUnits", 0)) for table in tables)
