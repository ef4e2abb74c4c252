"""An OpenID provider in the test's own process that says whatever a test wants to hear said."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "tollgate", "a-client-secret"


class ScriptedProvider:
    """Attributes may be changed between requests; `asked` counts the requests for each path.

    `slow`: seconds between the bytes of every answer. `signer`: the key that signs tokens.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.signer = _new_key()
        self.published = [self.signer]
        self.metadata: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        self.asked: Counter[str] = Counter()
        self.slow = 0.0
        self.token_answer: bytes | None = None
        self.broken_keys: object = None
        self._codes: dict[str, tuple[str, dict[str, Any]]] = {}

    def rotate(self, *, publish: bool = True) -> None:
        self.signer = _new_key()
        if publish:
            self.published = [self.signer]

    def answer(self, authorization_url: str, **changes: Any) -> dict[str, str]:
        """What it would send back for this authorization request; None removes a claim."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "sub": "subject-1",
            "iat": now,
            "exp": now + 600,
            "nonce": asked["nonce"],
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada",
        } | changes
        code = f"code-{len(self._codes)}"
        present = {name: value for name, value in claims.items() if value is not None}
        self._codes[code] = (asked["code_challenge"], present)
        return {"code": code, "state": asked["state"]}

    def respond(self, path: str, form: dict[str, list[str]]) -> tuple[int, bytes]:
        self.asked[path] += 1
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps(self.metadata).encode()
        if path == "/jwks":
            if self.broken_keys is not None:
                return 200, json.dumps(self.broken_keys).encode()
            return 200, json.dumps(KeySet(list(self.published)).as_dict()).encode()
        if path == "/token":
            return self._token(form)
        return 404, b"{}"

    def _token(self, form: dict[str, list[str]]) -> tuple[int, bytes]:
        if self.token_answer is not None:
            return 200, self.token_answer
        challenge, claims = self._codes.get(form["code"][0], ("", {}))
        if create_s256_code_challenge(form["code_verifier"][0]) != challenge:
            return 400, b'{"error": "invalid_grant"}'
        header = {"alg": "RS256", "kid": self.signer.kid}
        token = jwt.encode(header, claims, self.signer)
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": token}
        return 200, json.dumps(answer).encode()


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@contextmanager
def running_provider(port: int = 0) -> Iterator[ScriptedProvider]:
    server = _Server(("127.0.0.1", port), _Handler)
    provider = ScriptedProvider(f"http://127.0.0.1:{server.server_port}")
    server.provider = provider  # type: ignore[attr-defined]  # the handler's only way to it
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self._answer(parse_qs(body))

    def _answer(self, form: dict[str, list[str]]) -> None:
        provider: ScriptedProvider = self.server.provider  # type: ignore[attr-defined]  # as above
        status, body = provider.respond(urlsplit(self.path).path, form)
        head = f"HTTP/1.1 {status} -\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        answer = head.encode() + body
        try:
            for byte in range(len(answer)) if provider.slow else ():
                self.wfile.write(answer[byte : byte + 1])
                time.sleep(provider.slow)
            if not provider.slow:
                self.wfile.write(answer)
        except OSError:
            return  # the client has given up, as it should

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet: the name and its parameters are the base class's."""
