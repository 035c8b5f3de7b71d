"""Counts AWS calls, and the DynamoDB units and money that they would cost.

Write units: ceil(size in KB) of the larger image, doubled in a transaction; read units: ceil(size / 4 KB),
halved for an eventually consistent read, at least the minimum for an empty one. Sizes are those of
DynamoDB's own rule, names included. An index entry costs a write of its own when a projected attribute
changes. Prices: us-east-1, on demand (docs/cost.md has the list).
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

PRICES = {
    "write_unit": 0.625e-6,
    "read_unit": 0.125e-6,
    "sqs_request": 0.4e-6,
    "socket_message": 1.0e-6,
    "http_request": 1.0e-6,
    "lambda_request": 0.2e-6,
    "lambda_gb_second": 13.3334e-6,
    "log_byte": 0.5e-9,
}
_INDEXED = {"gsi1pk", "gsi1sk", "title", "updated_at", "active_task"}


def item_bytes(item: dict[str, Any]) -> int:
    """The size of a wire-form item."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content) // 2 + 2
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(len(k.encode()) + 1 + _value_bytes(v) for k, v in content.items())
        case "L":
            return 3 + sum(1 + _value_bytes(v) for v in content)
    return len(content)


@dataclass
class Meter:
    """Watches the clients that it is attached to."""

    client: Any
    calls: Counter[str] = field(default_factory=Counter)
    write_units: int = 0
    read_units: float = 0.0
    bytes_sent: int = 0
    bytes_read: int = 0
    _quiet: bool = False

    def attach(self, *clients: Any) -> None:
        """Count what these clients do from now on."""
        for client in clients:
            events = client.meta.events
            events.register("before-parameter-build.*", self._before)
            events.register("before-send.*", self._sent)
            events.register("after-call.*", self._after)

    def _before(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self._quiet:
            return
        self._last = (model.name, params)

    def _sent(self, request: Any, **_: Any) -> None:
        if not self._quiet:
            self.bytes_sent += len(request.body or b"")

    def _after(self, parsed: dict[str, Any], **_: Any) -> None:
        if self._quiet:
            return
        name, params = self._last
        self.calls[name] += 1
        match name:
            case "PutItem" | "UpdateItem" | "DeleteItem":
                self.write_units += self._write(name, params, 1)
            case "TransactWriteItems":
                for action in params["TransactItems"]:
                    ((kind, one),) = action.items()
                    self.write_units += self._write(f"{kind}Item", one, 2)
            case "GetItem":
                self._read([parsed["Item"]] if "Item" in parsed else [], params)
            case "Query":
                self._read(parsed.get("Items", []), params)

    def _write(self, name: str, params: dict[str, Any], factor: int) -> int:
        item = params["Item"] if name == "PutItem" else self._stored(params)
        units = factor * max(1, math.ceil(item_bytes(item) / 1024))
        touched = set(params.get("ExpressionAttributeNames", {}).values()) if name == "UpdateItem" else set(item)
        if "gsi1pk" in item and touched & _INDEXED:
            units += 1
        return units

    def _stored(self, params: dict[str, Any]) -> dict[str, Any]:
        self._quiet = True
        try:
            found = self.client.get_item(TableName=params["TableName"], Key=params["Key"]).get("Item")
        finally:
            self._quiet = False
        return found or dict(params["Key"])

    def _read(self, items: list[dict[str, Any]], params: dict[str, Any]) -> None:
        size = sum(item_bytes(item) for item in items)
        self.bytes_read += size
        units = max(1, math.ceil(size / 4096))
        self.read_units += units if params.get("ConsistentRead") else units / 2
