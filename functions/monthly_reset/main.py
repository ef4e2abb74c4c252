"""The deployed entry: clients are made once, in the init phase."""

import json
import os

from functions.monthly_reset.app import build
from tollgate import catalogue
from tollgate.clock import StoreClock
from tollgate.settings import Settings
from tollgate.table.client import connect

_settings = Settings(os.environ)
_clock = StoreClock()


def _invoke_again(chain: int) -> None:
    """Its client is made here, because few runs come to need it."""
    import botocore.session

    from tollgate.table.descriptions import OneService

    session = botocore.session.get_session()
    session.register_component("data_loader", OneService("lambda"))
    session.create_client("lambda").invoke(
        FunctionName=_settings.required("AWS_LAMBDA_FUNCTION_NAME"),
        InvocationType="Event",
        Payload=json.dumps({"chain": chain}).encode(),
    )


handler = build(
    table=connect(_settings.table, _clock),
    catalogue=catalogue.load(_settings.plans),
    clock=_clock,
    continue_later=_invoke_again,
)
