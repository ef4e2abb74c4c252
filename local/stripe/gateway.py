"""The API's door: key, schema, idempotency keys, and a log of what was asked."""

import asyncio
import hashlib
from collections import deque
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.stripe import listing, objects, schema
from local.stripe.api import Operation
from local.stripe.call import Call
from local.stripe.cycle import DAY
from local.stripe.stand_in import StandIn
from local.stripe.wire import Json, StripeError, decode

_LOGGED = 5_000


class Gateway:
    """`delay_ms` is how long each POST is under way, so that repeats can meet it: they get 409."""

    def __init__(self, stand_in: StandIn, key: str, delay_ms: int) -> None:
        self.log: deque[Json] = deque(maxlen=_LOGGED)
        self._stand_in = stand_in
        self._key = key
        self._delay_ms = delay_ms
        self._under_way: set[str] = set()

    async def call(self, operation: Operation, request: Request) -> Response:
        fields = parse_qsl(request.url.query, keep_blank_values=True)
        fields += parse_qsl((await request.body()).decode(), keep_blank_values=True)
        idempotency_key = request.headers.get("idempotency-key")
        entry: Json = {
            "id": objects.new_id("req"),
            "method": request.method,
            "path": request.url.path,
            "params": dict(fields),
            "idempotency_key": idempotency_key,
            "replayed": False,
            "status": None,
        }
        self.log.append(entry)
        try:
            self._check_key(request)
            answer = await self._answer(operation, request, fields, entry)
        except StripeError as error:
            answer = error.status, error.body
        entry["status"], body = answer
        headers = {"request-id": entry["id"], "stripe-version": objects.API_VERSION}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        if entry["replayed"]:
            headers["idempotent-replayed"] = "true"
        return JSONResponse(body, entry["status"], headers)

    async def _answer(
        self, operation: Operation, request: Request, fields: list[tuple[str, str]], entry: Json
    ) -> tuple[int, Json]:
        params = schema.read(operation.params, decode(fields))
        for name in params:
            if name not in operation.knows:
                message = f"Stripe knows the parameter {name}; its local stand-in does not."
                raise StripeError(message, param=name)
        call = (operation, request, params, entry)
        key = entry["idempotency_key"]
        if key is None or operation.method != "POST":
            return self._run(*call, None)
        if key in self._under_way:
            raise StripeError(
                "There is currently another in-progress request using this Idempotent Key "
                "(that probably means you submitted twice, and the other request is still "
                f"going through): {key}. Please try again later.",
                code="idempotency_key_in_use",
                status=409,
            )
        self._under_way.add(key)
        try:
            await asyncio.sleep(self._delay_ms / 1000)
            return self._once(call, fields)
        finally:
            self._under_way.discard(key)

    def _once(
        self, call: tuple[Operation, Request, Json, Json], fields: list[tuple[str, str]]
    ) -> tuple[int, Json]:
        """The first answer under a key is the answer for a day, a refusal too."""
        _, request, _, entry = call
        key, store = entry["idempotency_key"], self._stand_in.store
        asked = f"{request.method} {request.url.path} {sorted(fields)}"
        fingerprint = hashlib.sha256(asked.encode()).hexdigest()
        earlier = store.get("idempotency", key)
        if earlier and earlier["created"] > self._stand_in.now() - DAY:
            if earlier["fingerprint"] != fingerprint:
                raise StripeError(
                    "Keys for idempotent requests can only be used with the same parameters they "
                    f"were first used with. Try using a key other than '{key}' if you meant to "
                    "execute a different request.",
                    kind="idempotency_error",
                )
            entry["replayed"] = True
            return earlier["status"], earlier["body"]
        try:
            return self._run(*call, fingerprint)
        except StripeError as error:
            self._remember(key, fingerprint, error.status, error.body)
            raise

    def _run(
        self,
        operation: Operation,
        request: Request,
        params: Json,
        entry: Json,
        fingerprint: str | None,
    ) -> tuple[int, Json]:
        """Remembers the answer in the work's own transaction, so no crash can repeat the work."""
        cause = {"id": entry["id"], "idempotency_key": entry["idempotency_key"]}
        with self._stand_in.books(cause) as books:
            origin = str(request.base_url).rstrip("/")
            path_id = request.path_params.get("id", "")
            body = operation.run(Call(books, params, path_id, request.url.path, origin))
            for path in params.get("expand", []):
                listing.expand(books, body, path)
            if fingerprint is not None:
                self._remember(entry["idempotency_key"], fingerprint, 200, body)
        return 200, body

    def _remember(self, key: str, fingerprint: str, status: int, body: Json) -> None:
        record = {"created": self._stand_in.now(), "fingerprint": fingerprint}
        record |= {"status": status, "body": body}
        self._stand_in.store.put("idempotency", key, record)

    def _check_key(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            raise StripeError("Invalid API Key provided: this is not the stand-in's.", status=401)

    async def unknown(self, request: Request) -> Response:
        message = f"Unrecognized request URL ({request.method}: {request.url.path})."
        return JSONResponse(StripeError(message).body, 404)
