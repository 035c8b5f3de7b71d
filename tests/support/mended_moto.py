"""Moto for many threads: one call at a time, and transactions that don't copy whole tables; keys of bounded size.

Moto's backends are not made for threads: a transaction that fails puts back a copy of the table, and
with it what others wrote meanwhile. The copy is of every item, for every write of the transaction,
which makes a server with some hundred sessions a hundred times slower than an empty one.

Reads with a key that DynamoDB refuses for its size find nothing in moto; here they are refused as well.
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

_LONGEST_KEYS = {"pk": 2048, "sk": 1024}
"""Bytes, of a partition key and of a sort key."""


@contextmanager
def threads_allowed() -> Iterator[None]:
    """For the length of a block any thread may use boto3 under `mock_aws`."""
    with pytest.MonkeyPatch.context() as patch:
        _serialise(patch)
        _copy_only_what_is_written(patch)
        _refuse_long_keys(patch)
        yield


def _serialise(patch: pytest.MonkeyPatch) -> None:
    lock = threading.RLock()
    original = BotocoreStubber.process_request

    def locked(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return original(self, request)

    patch.setattr(BotocoreStubber, "process_request", locked)


def _copy_only_what_is_written(patch: pytest.MonkeyPatch) -> None:
    """A rollback needs the partitions that the transaction touches, and shares the rest."""
    touched: set[str] = set()
    original = DynamoDBBackend.transact_write_items

    def transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        touched.clear()  # one call at a time: see above
        for write in transact_items:
            (operation,) = write.values()
            touched.add(next(iter((operation.get("Item") or operation["Key"])["pk"].values())))
        original(self, transact_items)

    def twin(self: Table, memo: dict[int, Any]) -> Table:
        made = copy.copy(self)
        made.items = copy.copy(self.items)
        for partition, items in self.items.items():
            if partition.value in touched:
                made.items[partition] = copy.deepcopy(items, memo)
        return made

    patch.setattr(DynamoDBBackend, "transact_write_items", transact)
    patch.setattr(Table, "__deepcopy__", twin, raising=False)


def _refuse_long_keys(patch: pytest.MonkeyPatch) -> None:
    original = DynamoDBBackend.get_item

    def get_item(self: DynamoDBBackend, table_name: str, keys: dict[str, dict[str, Any]], *rest: Any) -> Any:
        for name, longest in _LONGEST_KEYS.items():
            if len(str(keys.get(name, {}).get("S", "")).encode()) > longest:
                raise MockValidationException(f"Size of {name} has exceeded the maximum size limit of {longest} bytes")
        return original(self, table_name, keys, *rest)

    patch.setattr(DynamoDBBackend, "get_item", get_item)
