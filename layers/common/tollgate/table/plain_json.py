"""DynamoDB's JSON as it goes over the wire, for a process that uses no binary values.

It is then already what botocore makes of it by walking through every value shape by shape, there
and back, which for an admission and the item that it returns costs as much as signing.
A botocore that no longer calls what is replaced here walks again, and is right all the same.
"""

from typing import Any

import msgspec
from botocore.parsers import JSONParser, ResponseParserFactory
from botocore.serialize import JSONSerializer


class PlainParsers(ResponseParserFactory):  # type: ignore[misc]  # botocore publishes no types
    """It goes into a session as `response_parser_factory`."""

    def create_parser(self, protocol_name: str) -> Any:
        return _Parser() if protocol_name == "json" else super().create_parser(protocol_name)


class _Parser(JSONParser):  # type: ignore[misc]  # as above
    def _handle_json_body(self, raw_body: bytes, shape: object) -> Any:
        return msgspec.json.decode(raw_body)


class PlainSerializer(JSONSerializer):  # type: ignore[misc]  # as above
    """It takes the place of a client's own, which must speak the protocol `json`."""

    def _serialize(
        self, serialized: dict[str, Any], value: dict[str, Any], shape: object, key: object = None
    ) -> None:
        serialized.update(value)
