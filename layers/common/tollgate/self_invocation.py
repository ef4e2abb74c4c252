"""How a scheduled function that met its deadline goes on: by another run of itself."""

import json
from collections.abc import Callable

from tollgate.settings import Settings


def invoking_again(settings: Settings) -> Callable[[int], None]:
    """`continue_later(chain)`: what the next run is told is its place in the chain."""

    def invoke(chain: int) -> None:
        # The client is made here, because few runs come to need it.
        import botocore.session

        from tollgate.table.descriptions import OneService

        session = botocore.session.get_session()
        session.register_component("data_loader", OneService("lambda"))
        session.create_client("lambda").invoke(
            FunctionName=settings.required("AWS_LAMBDA_FUNCTION_NAME"),
            InvocationType="Event",
            Payload=json.dumps({"chain": chain}).encode(),
        )

    return invoke
