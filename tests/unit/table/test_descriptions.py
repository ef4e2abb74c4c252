"""What botocore is told of DynamoDB is what it would have read itself."""

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from tollgate.table.descriptions import OneService


@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1", "paginators-1"])
def test_a_description_is_botocores_own(kind: str) -> None:
    ours = OneService("dynamodb").load_service_model("dynamodb", kind)
    assert ours == Loader().load_service_model("dynamodb", kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "sdk-default-configuration", "_retry"])
def test_what_all_services_share_is_botocores_own(name: str) -> None:
    assert OneService("dynamodb").load_data(name) == Loader().load_data(name)


def test_another_service_is_unknown() -> None:
    with pytest.raises(UnknownServiceError):
        OneService("dynamodb").load_service_model("s3", "service-2")
