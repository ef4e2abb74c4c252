"""Lambda's poller for the laptop: what the table's stream holds is handed to a function in batches.

Every start begins at the stream's beginning. The function is given all that again, as in the
cloud it may be, and must not care.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore.config import Config

Event = dict[str, Any]
Handler = Callable[[Event, Any], Event]

_BATCH = 50
_PAUSE_SECONDS = 0.5


class Stream:
    """The stream of one table, for one function; `pattern` is Lambda's filter of its records."""

    def __init__(self, table: str, pattern: Mapping[str, Any], handler: Handler) -> None:
        # The engines' sequence numbers are shorter than those that botocore lets pass.
        config = Config(parameter_validation=False, read_timeout=5, retries={"mode": "standard"})
        session = botocore.session.get_session()
        self._dynamodb = session.create_client("dynamodb", config=config)
        self._streams = session.create_client(
            "dynamodbstreams", config=config, endpoint_url=self._dynamodb.meta.endpoint_url
        )
        self._table, self._pattern, self._handler = table, pattern, handler
        self._iterators: dict[str, str] = {}

    @contextmanager
    def followed(self) -> Iterator[None]:
        """While it is entered, a thread polls; it dies with the process, whatever it waits for."""
        left = threading.Event()
        threading.Thread(target=self._follow, args=(left,), daemon=True).start()
        yield
        left.set()

    def poll(self) -> None:
        """Hands over what has come; what the function reports as failed comes again next time."""
        arn = self._dynamodb.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        description = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]
        for shard in description["Shards"]:
            self._poll_shard(arn, shard["ShardId"])

    def _follow(self, left: threading.Event) -> None:
        while not left.wait(_PAUSE_SECONDS):
            try:
                self.poll()
            except Exception:
                # An engine that is away, or a function that raised: Lambda, too, tries again.
                logging.getLogger(__name__).warning("the stream is read again", exc_info=True)
                self._iterators.clear()

    def _poll_shard(self, arn: str, shard: str) -> None:
        while True:
            iterator = self._iterators.get(shard) or self._iterator(arn, shard)
            page = self._streams.get_records(ShardIterator=iterator, Limit=_BATCH)
            self._iterators[shard] = page.get("NextShardIterator") or iterator
            wanted = [each for each in page["Records"] if matches(self._pattern, each)]
            failed = self._deliver(arn, shard, wanted) if wanted else None
            if failed is not None:
                self._iterators[shard] = self._iterator(arn, shard, failed)
            if failed is not None or not page["Records"]:
                return

    def _iterator(self, arn: str, shard: str, at: str | None = None) -> str:
        place = {"ShardIteratorType": "TRIM_HORIZON"}
        if at is not None:
            place = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": at}
        answer = self._streams.get_shard_iterator(StreamArn=arn, ShardId=shard, **place)
        iterator: str = answer["ShardIterator"]
        return iterator

    def _deliver(self, arn: str, shard: str, records: list[Event]) -> str | None:
        """The sequence number to go on from, where not all was done."""
        event = {
            "Records": [{**each, "eventSourceARN": arn} for each in records],
            "shardId": shard,
            "eventSourceARN": arn,
            "state": {},
            "isFinalInvokeForWindow": False,
            "isWindowTerminatedEarly": False,
        }
        failures = self._handler(event, None)["batchItemFailures"]
        return min((each["itemIdentifier"] for each in failures), key=int, default=None)


def matches(pattern: object, value: object) -> bool:
    """Lambda's event patterns, as far as the template uses them: members, values, prefixes, and
    that there is any value.
    """
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and all(
            name in value and matches(inner, value[name]) for name, inner in pattern.items()
        )
    assert isinstance(pattern, list)  # noqa: S101  a pattern's leaves are lists of what may stand
    return any(_matches_leaf(each, value) for each in pattern)


def _matches_leaf(wanted: object, value: object) -> bool:
    if not isinstance(wanted, Mapping):
        return wanted == value
    return "exists" in wanted or str(value).startswith(wanted["prefix"])
