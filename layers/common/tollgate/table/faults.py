"""botocore's faults as facts: a condition did not hold, or nobody knows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollgate.table.client import Item


class ConditionFailed(Exception):
    """The write's condition was false; `item` is what stood there (None: nothing did).

    `repeated` as in `Written`.
    """

    def __init__(self, item: "Item | None", *, repeated: bool = False) -> None:
        super().__init__("the condition did not hold")
        self.item = item
        self.repeated = repeated


class Cancelled(Exception):
    """A transaction wrote nothing: `failed` holds, by the action's place, the item whose condition
    was false.
    """

    def __init__(self, failed: "Mapping[int, Item | None]") -> None:
        super().__init__(f"conditions did not hold at {sorted(failed)}")
        self.failed = failed


class Unavailable(Exception):
    """The store did not answer, or not in time: whether the write happened is unknown."""


class Conflicting(Exception):
    """The write met another's transaction and did nothing: it may be sent again."""


@contextmanager
def translated() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _fact(error.response) from error
    except BotoCoreError as error:
        raise Unavailable(type(error).__name__) from error


def _fact(response: Mapping[str, Any]) -> Exception:
    code = response.get("Error", {}).get("Code")
    if code == "ConditionalCheckFailedException":
        return ConditionFailed(response.get("Item"), repeated=repeated(response))
    if code in {"TransactionConflictException", "TransactionInProgressException"}:
        return Conflicting()
    if code == "TransactionCanceledException":
        return _cancelled(response.get("CancellationReasons", []))
    return Unavailable(str(code))


def repeated(response: Mapping[str, Any]) -> bool:
    return bool(response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _cancelled(reasons: Sequence[Mapping[str, Any]]) -> Exception:
    codes = [reason.get("Code") for reason in reasons]
    failed = {
        place: reason.get("Item")
        for place, reason in enumerate(reasons)
        if reason.get("Code") == "ConditionalCheckFailed"
    }
    if failed:
        return Cancelled(failed)
    if "TransactionConflict" in codes:
        return Conflicting()
    return Unavailable(f"transaction cancelled: {sorted({str(code) for code in codes})}")
