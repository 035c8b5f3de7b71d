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
from moto.dynamodb.models.dynamo_type import DynamoType
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


@contextmanager
def cheap_transactions() -> Iterator[None]:
    """For the length of a block a transaction costs what it writes, not what there is."""
    with pytest.MonkeyPatch.context() as patch:
        _copy_only_what_is_written(patch)
        yield


def _copy_only_what_is_written(patch: pytest.MonkeyPatch) -> None:
    """A rollback needs the items that the transaction touches, once, and shares the rest."""
    touched: list[dict[str, Any]] = []
    twins: dict[str, Table] = {}
    original = DynamoDBBackend.transact_write_items

    def transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        twins.clear()  # one call at a time: see above
        touched[:] = [operation for write in transact_items for operation in write.values()]
        original(self, transact_items)

    def twin(self: Table, memo: dict[int, Any]) -> Table:
        if self.name not in twins:
            twins[self.name] = made = copy.copy(self)
            made.items = copy.copy(self.items)
            for operation in touched:
                if operation["TableName"] == self.name:
                    _copy_item(made, operation.get("Item") or operation["Key"], self.items, memo)
        return twins[self.name]

    patch.setattr(DynamoDBBackend, "transact_write_items", transact)
    patch.setattr(Table, "__deepcopy__", twin, raising=False)


def _copy_item(made: Table, key: dict[str, Any], shared: Any, memo: dict[int, Any]) -> None:
    partition, sort = DynamoType(key[made.hash_key_attr]), DynamoType(key[str(made.range_key_attr)])
    if partition not in shared:
        return
    if made.items[partition] is shared[partition]:
        made.items[partition] = copy.copy(shared[partition])
    if sort in made.items[partition]:
        made.items[partition][sort] = copy.deepcopy(made.items[partition][sort], memo)


def _refuse_long_keys(patch: pytest.MonkeyPatch) -> None:
    original = DynamoDBBackend.get_item

    def get_item(self: DynamoDBBackend, table_name: str, keys: dict[str, dict[str, Any]], *rest: Any) -> Any:
        for name, longest in _LONGEST_KEYS.items():
            if len(str(keys.get(name, {}).get("S", "")).encode()) > longest:
                raise MockValidationException(f"Size of {name} has exceeded the maximum size limit of {longest} bytes")
        return original(self, table_name, keys, *rest)

    patch.setattr(DynamoDBBackend, "get_item", get_item)
