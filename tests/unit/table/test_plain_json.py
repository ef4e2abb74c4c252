"""What goes over the wire unwalked is what botocore would have made of it itself."""

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserFactory
from botocore.serialize import create_serializer

from tollgate.table.plain_json import PlainParsers, PlainSerializer

MODEL = ServiceModel(Loader().load_service_model("dynamodb", "service-2"))
ITEM = {
    "pk": {"S": "ä"},
    "n": {"N": "1"},
    "none": {"NULL": True},
    "yes": {"BOOL": False},
    "map": {"M": {"list": {"L": [{"S": ""}, {"M": {}}]}}},
}
KEY = {"pk": {"S": "A"}, "sk": {"S": "B"}}
CALLS: dict[str, dict[str, Any]] = {
    "GetItem": {"TableName": "t", "Key": KEY, "ConsistentRead": True},
    "PutItem": {"TableName": "t", "Item": ITEM},
    "UpdateItem": {
        "TableName": "t",
        "Key": KEY,
        "UpdateExpression": "SET #a = :a",
        "ExpressionAttributeNames": {"#a": "a"},
        "ExpressionAttributeValues": {":a": {"M": ITEM}},
    },
    "BatchGetItem": {"RequestItems": {"t": {"Keys": [KEY], "ConsistentRead": True}}},
    "TransactWriteItems": {
        "TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}],
        "ClientRequestToken": "token",
    },
}
ANSWERS = {
    "GetItem": {"Item": ITEM, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}},
    "PutItem": {},
    "UpdateItem": {"Attributes": ITEM},
    "BatchGetItem": {
        "Responses": {"t": [ITEM]},
        "UnprocessedKeys": {"t": {"Keys": [KEY], "ConsistentRead": True}},
    },
    "Query": {"Items": [ITEM, KEY], "Count": 2, "LastEvaluatedKey": KEY},
}


@pytest.mark.parametrize("name", CALLS)
def test_a_request_is_botocores_own(name: str) -> None:
    operation = MODEL.operation_model(name)
    own, walked = (
        each.serialize_to_request(CALLS[name], operation)
        for each in (PlainSerializer(), create_serializer("json", include_validation=False))
    )
    assert own == walked


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_botocores_own(name: str) -> None:
    assert _parsed(PlainParsers(), name, ANSWERS[name]) == _parsed(
        ResponseParserFactory(), name, ANSWERS[name]
    )


def test_a_refusal_is_botocores_own() -> None:
    namespace = "com.amazonaws.dynamodb.v20120810#"
    body = {
        "__type": f"{namespace}TransactionCanceledException",
        "message": "cancelled",
        "CancellationReasons": [{"Code": "ConditionalCheckFailed", "Item": ITEM}, {"Code": "None"}],
    }
    own, walked = (
        _parsed(factory, "TransactWriteItems", body, status=400)
        for factory in (PlainParsers(), ResponseParserFactory())
    )
    assert own == walked
    assert own["Error"]["Code"] == "TransactionCanceledException"


def _parsed(factory: Any, name: str, body: object, status: int = 200) -> Any:
    answer = {
        "body": json.dumps(body).encode(),
        "headers": {"x-amzn-requestid": "1"},
        "status_code": status,
    }
    return factory.create_parser("json").parse(answer, MODEL.operation_model(name).output_shape)
