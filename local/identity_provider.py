"""An OpenID provider that anybody may sign in to as anybody: oidc-provider-mock, made stricter.

It adds what a real provider insists on (PKCE with S256, RFC 7636) and what a demonstration needs:
a `login_hint` signs that person in without a click, and the page asks nobody else's servers.
Its ID tokens follow the stack's shared clock.
"""

import argparse
import re
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import flask
import jinja2
import oidc_provider_mock
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Request

from local.clock import Clock
from local.people import DEMO, person

_AUTHORIZE = "/oauth2/authorize"
_TOKEN = "/oauth2/token"  # noqa: S105 - a path
_TOKEN_SECONDS = 3600
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def build(clock: Clock) -> flask.Flask:
    app: flask.Flask = oidc_provider_mock.app()
    pages = jinja2.FileSystemLoader(Path(__file__).with_name("pages"))
    app.jinja_loader = jinja2.ChoiceLoader([pages, *filter(None, [app.jinja_loader])])
    app.jinja_env.globals["people"] = [person(email) for email in DEMO]
    challenges: dict[str, str] = {}

    @app.before_request
    def insist() -> flask.Response | None:
        if flask.request.path == _AUTHORIZE:
            _remember_person()
            return _refuse_without_challenge()
        if flask.request.path == _TOKEN:
            return _refuse_wrong_verifier(challenges)
        return None

    @app.after_request
    def complete(response: flask.Response) -> flask.Response:
        if flask.request.path == _AUTHORIZE and response.status_code == 302:
            for code in parse_qs(urlsplit(response.location or "").query).get("code", ()):
                challenges[code] = flask.request.args["code_challenge"]
        elif response.is_json and response.status_code == 200:
            response.set_data(flask.json.dumps(_completed(flask.json.loads(response.data), clock)))
        return response

    app.wsgi_app = _signing_in_by_hint(app.wsgi_app)  # type: ignore[assignment,method-assign] # Flask's own way to add middleware
    return app


def _signing_in_by_hint(inner: Wsgi) -> Wsgi:
    """Turns a GET that names a person into the POST which that person's click would have sent."""

    def middleware(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        hint = request.args.get("login_hint", "")
        if request.method == "GET" and request.path == _AUTHORIZE and _EMAIL.fullmatch(hint):
            body = urlencode({"sub": person(hint)["sub"]}).encode()
            environ |= {
                "REQUEST_METHOD": "POST",
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": BytesIO(body),
            }
        return inner(environ, start)

    return middleware


def _remember_person() -> None:
    hint = flask.request.args.get("login_hint", "")
    if flask.request.method == "POST" and _EMAIL.fullmatch(hint):
        claims = person(hint)
        user = oidc_provider_mock.User(sub=str(claims.pop("sub")), claims=dict(claims))
        flask.g.oidc_provider_mock_storage.store_user(user)


def _refuse_without_challenge() -> flask.Response | None:
    """RFC 7636, section 4.4.1: the client is told at its redirect address."""
    asked = flask.request.args
    if asked.get("code_challenge") and asked.get("code_challenge_method") == "S256":
        return None
    error = {"error": "invalid_request", "error_description": "PKCE with S256 is required"}
    if "redirect_uri" not in asked:
        return flask.make_response(error, 400)
    answer = urlencode(error | ({"state": asked["state"]} if "state" in asked else {}))
    joint = "&" if "?" in asked["redirect_uri"] else "?"
    return flask.make_response("", 302, {"location": f"{asked['redirect_uri']}{joint}{answer}"})


def _refuse_wrong_verifier(challenges: dict[str, str]) -> flask.Response | None:
    """One try for each code: a wrong verifier spends it."""
    form = flask.request.form
    if form.get("grant_type") != "authorization_code":
        return None
    challenge = challenges.pop(form.get("code", ""), None)
    verifier = form.get("code_verifier", "")
    if challenge and create_s256_code_challenge(verifier) == challenge:
        return None
    return flask.make_response({"error": "invalid_grant"}, 400)


def _completed(answer: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """The library's metadata keeps silent on PKCE; its tokens name no key and keep real time."""
    if "authorization_endpoint" in answer:
        answer["code_challenge_methods_supported"] = ["S256"]
    if "id_token" in answer:
        key = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
        claims = jwt.decode(answer["id_token"], key).claims
        now = int(clock().timestamp())
        claims |= {"iat": now, "auth_time": now, "exp": now + _TOKEN_SECONDS}
        header = {"alg": "RS256", "kid": key.thumbprint()}
        answer["id_token"] = jwt.encode(header, claims, key)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.identity_provider", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clock", type=Path, required=True)
    arguments = parser.parse_args()
    app = build(Clock(arguments.clock))
    make_server("127.0.0.1", arguments.port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
