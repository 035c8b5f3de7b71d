"""Moto for many threads, and for many tests: the same answers, in a fraction of its time.

- Its backends are not made for threads: a transaction that fails puts back a copy of the table, and with it what others
  wrote meanwhile. Here one call is made at a time.
- That copy is of every item, for every write of the transaction. Here it is of the items that are written.
- It looks for each member of an attribute's value under several names, and for its own methods at each call. Here items
  are answered as they are, and methods are looked for once.
- Reads with a key that DynamoDB refuses for its size find nothing in moto; here they are refused as well.
"""

import base64
import copy
import functools
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.model import StructureShape
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.core.utils import method_names_from_class
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

_LONGEST_KEYS = {"pk": 2048, "sk": 1024}
"""Bytes, of a partition key and of a sort key."""


@contextmanager
def mended_moto() -> Iterator[None]:
    """For the length of a block."""
    with pytest.MonkeyPatch.context() as patch:
        _serialise(patch)
        _copy_only_what_is_written(patch)
        _refuse_long_keys(patch)
        patch.setattr("moto.core.responses.method_names_from_class", functools.cache(method_names_from_class))
        patch.setitem(SERVICE_SPECIFIC_SERIALIZERS, "dynamodb", {"json": _ItemsAsTheyAre})
        yield


class _ItemsAsTheyAre(JSONSerializer):
    """Writes the values of attributes without looking for their members."""

    def _serialize_type_structure(
        self, serialized: MutableMapping[str, Any], value: Any, shape: StructureShape, key: str
    ) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict | DynamoType):
            self._default_serialize(serialized, _plain(value), shape, key)
        else:
            super()._serialize_type_structure(serialized, value, shape, key)


def _plain(value: Any) -> dict[str, Any]:
    """An attribute's value as JSON."""
    ((kind, inner),) = ((value.type, value.value),) if isinstance(value, DynamoType) else value.items()
    if kind == "M":
        return {kind: {name: _plain(one) for name, one in inner.items()}}
    if kind == "L":
        return {kind: [_plain(one) for one in inner]}
    if kind == "B":
        return {kind: _encoded(inner)}
    if kind == "BS":
        return {kind: [_encoded(one) for one in inner]}
    return {kind: inner}


def _encoded(value: bytes | str) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def _serialise(patch: pytest.MonkeyPatch) -> None:
    lock = threading.RLock()
    original = BotocoreStubber.process_request

    def locked(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return original(self, request)

    patch.setattr(BotocoreStubber, "process_request", locked)


def _copy_only_what_is_written(patch: pytest.MonkeyPatch) -> None:
    """A rollback needs the items that the transaction touches, and shares the rest."""
    touched: dict[str, list[dict[str, Any]]] = {}
    twins: dict[str, Table] = {}
    original = DynamoDBBackend.transact_write_items

    def transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        touched.clear()  # one call at a time: see above
        twins.clear()
        for write in transact_items:
            (operation,) = write.values()
            touched.setdefault(operation["TableName"], []).append(operation.get("Item") or operation["Key"])
        original(self, transact_items)

    def twin(self: Table, memo: dict[int, Any]) -> Table:
        if self.name not in twins:  # it is asked for at each write of the transaction
            twins[self.name] = _twin(self, touched[self.name], memo)
        return twins[self.name]

    patch.setattr(DynamoDBBackend, "transact_write_items", transact)
    patch.setattr(Table, "__deepcopy__", twin, raising=False)


def _twin(table: Table, touched: list[dict[str, Any]], memo: dict[int, Any]) -> Table:
    made = copy.copy(table)
    made.items = copy.copy(table.items)
    places = [(DynamoType(key[table.hash_key_attr]), DynamoType(key[str(table.range_key_attr)])) for key in touched]
    for partition in {partition for partition, _ in places if partition in table.items}:
        made.items[partition] = copy.copy(table.items[partition])
    for partition, place in places:
        if place in made.items.get(partition, {}):
            made.items[partition][place] = copy.deepcopy(made.items[partition][place], memo)
    return made


def _refuse_long_keys(patch: pytest.MonkeyPatch) -> None:
    original = DynamoDBBackend.get_item

    def get_item(self: DynamoDBBackend, table_name: str, keys: dict[str, dict[str, Any]], *rest: Any) -> Any:
        for name, longest in _LONGEST_KEYS.items():
            if len(str(keys.get(name, {}).get("S", "")).encode()) > longest:
                raise MockValidationException(f"Size of {name} has exceeded the maximum size limit of {longest} bytes")
        return original(self, table_name, keys, *rest)

    patch.setattr(DynamoDBBackend, "get_item", get_item)
