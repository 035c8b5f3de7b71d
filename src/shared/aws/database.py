"""Both tables behind one small interface: get, query, write, transact.

What can fail is said in three ways: `ConditionFailed` (somebody else was there, with what they left),
`TransactionFailed` (the same for one of several), and `Retryable` for everything that may pass.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.aws.writes import Check, Delete, Item, Key, Put, TableName, Update, Write, names_in
from shared.kernel.clock import Clock
from shared.kernel.errors import Retryable
from shared.kernel.telemetry import log_problem

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ATTEMPTS_AT_CONFLICT = 8
_MOST_IN_BATCH = 25
_MOST_IN_BATCH_GET = 100
_MOST_KEY_BYTES = 1_024
"""Of a sort key; a partition key may have more, and none of ours has."""


class ConditionFailed(Exception):
    """The condition of a single write did not hold; `item` is what was there, if anything."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("condition failed")
        self.item = item


class TransactionFailed(Exception):
    """Conditions of a transaction did not hold: position in the transaction -> what was there."""

    def __init__(self, failed: Mapping[int, Item | None]) -> None:
        super().__init__(f"conditions failed at {sorted(failed)}")
        self.failed = failed


class _Conflict(Retryable):
    """What is left can be asked for again at once: nothing was written, or the batch was taken in part."""


class _IntDeserializer(TypeDeserializer):
    """Numbers as int: no record of ours holds a fraction."""

    def _deserialize_n(self, value: str) -> int:
        return int(value)

    def _deserialize_b(self, value: bytes) -> bytes:
        return value


_to_wire = TypeSerializer().serialize
_from_wire = _IntDeserializer().deserialize


def _encode(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _to_wire(value) for key, value in values.items()}


def _decode(item: Mapping[str, Any]) -> Item:
    return {key: _from_wire(value) for key, value in item.items()}


class Database:
    """The State and Chunks tables."""

    def __init__(self, client: "DynamoDBClient", tables: Mapping[TableName, str], clock: Clock) -> None:
        self._client = client
        self._tables = tables
        self._retrying = Retrying(
            retry=retry_if_exception_type(_Conflict),
            stop=stop_after_attempt(_ATTEMPTS_AT_CONFLICT),
            wait=wait_random_exponential(multiplier=0.02, max=0.5),
            sleep=clock.sleep,
            reraise=True,
        )

    def get(self, key: Key, *, table: TableName = "state", consistent: bool = True) -> Item | None:
        """The item at `key`, or None: also at one that is longer than a key can be, since others choose ids."""
        if any(len(str(part).encode()) > _MOST_KEY_BYTES for part in key.values()):
            return None
        request = {"TableName": self._tables[table], "Key": _encode(key), "ConsistentRead": consistent}
        found = self._call("get_item", request).get("Item")
        return _decode(found) if found else None

    def get_many(self, keys: Sequence[Key]) -> list[Item | None]:
        """What is at each of the keys of State, in their order; the keys are different ones, and ours."""
        found: dict[tuple[str | int, str | int], Item] = {}
        name = self._tables["state"]
        for at in range(0, len(keys), _MOST_IN_BATCH_GET):
            batch = {"Keys": [_encode(key) for key in keys[at : at + _MOST_IN_BATCH_GET]], "ConsistentRead": True}
            self._retrying(self._get_batch, {name: batch}, found)
        return [found.get((key["pk"], key["sk"])) for key in keys]

    def _get_batch(self, left: dict[str, Any], found: dict[tuple[str | int, str | int], Item]) -> None:
        answer = self._call("batch_get_item", {"RequestItems": dict(left)})
        for item in (_decode(one) for items in answer["Responses"].values() for one in items):
            found[item["pk"], item["sk"]] = item
        if unprocessed := answer.get("UnprocessedKeys"):
            left.clear()
            left.update(unprocessed)
            raise _Conflict("DynamoDB gave only some", code="storage_unavailable")

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        table: TableName = "state",
        index: str | None = None,
        consistent: bool = True,
        forward: bool = True,
        limit: int | None = None,
        portion: int | None = None,
        start: Item | None = None,
    ) -> Iterator[Item]:
        """All items that match the key `condition`, page after page, `limit` at most in all.

        A caller that may stop early says how many it takes at a time (`portion`); else a page is 1 MB,
        and paid for.
        """
        request: dict[str, Any] = {
            "TableName": self._tables[table],
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names_in(condition),
            "ExpressionAttributeValues": {f":{key}": _to_wire(value) for key, value in values.items()},
            "ScanIndexForward": forward,
            "ConsistentRead": consistent and index is None,
        }
        if index:
            request["IndexName"] = index
        if start:
            request["ExclusiveStartKey"] = _encode(start)
        left = limit
        while left is None or left > 0:
            wanted = [most for most in (left, portion) if most is not None]
            page = self._call("query", {**request, "Limit": min(wanted)} if wanted else request)
            for item in page["Items"]:
                yield _decode(item)
            if left is not None:
                left -= len(page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def write(self, write: Put | Update | Delete) -> Item:
        """Do one write; an update answers with the whole new item, the others with the old one or {}.

        Raises:
            ConditionFailed: the write's condition did not hold.
            Retryable: it may or may not have taken effect.
        """
        operation, request = self._request(write)
        request["ReturnValues"] = "ALL_NEW" if isinstance(write, Update) else "ALL_OLD"
        if write.condition:
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        answer = self._retrying(self._call, operation, request)
        return _decode(answer.get("Attributes") or {})

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all of it or nothing.

        Raises:
            TransactionFailed: one or more conditions did not hold.
            Retryable: it may or may not have taken effect.
        """
        kinds = {Put: "Put", Update: "Update", Delete: "Delete", Check: "ConditionCheck"}
        items = []
        for write in writes:
            _, request = self._request(write)
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
            items.append({kinds[type(write)]: request})
        self._retrying(self._call, "transact_write_items", {"TransactItems": items})

    def delete_all(self, keys: Iterable[Key], *, table: TableName = "state") -> None:
        """Delete the items at `keys`, some at a time and in no order; nothing there is fine.

        Raises:
            Retryable: some may have been deleted, and some not.
        """
        rest = iter(keys)
        while batch := [{"DeleteRequest": {"Key": _encode(key)}} for key in islice(rest, _MOST_IN_BATCH)]:
            self._retrying(self._delete_batch, {self._tables[table]: batch})

    def _delete_batch(self, left: dict[str, Any]) -> None:
        unprocessed = self._call("batch_write_item", {"RequestItems": dict(left)}).get("UnprocessedItems") or {}
        if unprocessed:
            left.clear()
            left.update(unprocessed)
            raise _Conflict("DynamoDB took only some", code="storage_unavailable")

    def _request(self, write: Write) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": self._tables[write.table]}
        expression = write.expression if isinstance(write, Update) else None
        if isinstance(write, Put):
            request["Item"] = _encode(write.item)
        else:
            request["Key"] = _encode(write.key)
        if expression:
            request["UpdateExpression"] = expression
        if write.condition:
            request["ConditionExpression"] = write.condition
        if names := names_in(expression, write.condition):
            request["ExpressionAttributeNames"] = names
        if write.values:
            request["ExpressionAttributeValues"] = {f":{key}": _to_wire(value) for key, value in write.values.items()}
        operations = {Put: "put_item", Update: "update_item", Delete: "delete_item", Check: ""}
        return operations[type(write)], request

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return getattr(self._client, operation)(**request)  # type: ignore[no-any-return]
        except ClientError as error:
            raise _translated(error) from error
        except BotoCoreError as error:
            raise Retryable(f"DynamoDB did not answer: {error}", code="storage_unavailable") from error


def _translated(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        old = cast("dict[str, Any] | None", error.response.get("Item"))
        return ConditionFailed(_decode(old) if old else None)
    if code == "TransactionCanceledException":
        reasons = error.response.get("CancellationReasons", [])
        failed = {
            position: _decode(reason["Item"]) if reason.get("Item") else None
            for position, reason in enumerate(reasons)
            if reason.get("Code") == "ConditionalCheckFailed"
        }
        # A failed condition is final, a mere conflict is not: somebody else's transaction was quicker.
        return TransactionFailed(failed) if failed else _Conflict("Transaction conflict", code="storage_conflict")
    if code in {"TransactionConflictException", "TransactionInProgressException"}:
        return _Conflict("Transaction conflict", code="storage_conflict")
    log_problem("database.refused", code=code)
    return Retryable(f"DynamoDB refused: {code}", code="storage_unavailable")
