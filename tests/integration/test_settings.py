"""Secrets come over a network that may fail: their reader is neither endless nor faint-hearted."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tollgate.settings import Settings


@pytest.fixture
def silent_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A parameter store that leaves its first question open."""
    asked = iter([True])
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            names = json.loads(self.rfile.read(int(self.headers["content-length"])))["Names"]
            if next(asked, False):
                released.wait(30)
                self.close_connection = True
                return
            found = [{"Name": name, "Value": f"value of {name}"} for name in names]
            content = json.dumps({"Parameters": found}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing to tell."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    environ = {
        "AWS_ENDPOINT_URL_SSM": f"http://127.0.0.1:{server.server_port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    yield
    released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("silent_once")
def test_a_silent_parameter_store_is_asked_again_before_the_function_is_given_up() -> None:
    started = time.monotonic()
    assert Settings({"X_PARAMETER": "/tollgate/X"}).secret("X") == "value of /tollgate/X"
    assert time.monotonic() - started < 8
