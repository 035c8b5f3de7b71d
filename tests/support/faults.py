"""Watching every call to AWS: counting, limits that the emulator doesn't check, and faults on purpose."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Literal

from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

MAX_ITEM_BYTES = 400 * 1024
MAX_PARTITION_KEY_BYTES = 2_048
MAX_SORT_KEY_BYTES = 1_024
MAX_TRANSACTION_ITEMS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024

FaultKind = Literal["error_before", "error_after", "kill_before", "kill_after"]
FAULT_KINDS: tuple[FaultKind, ...] = ("error_before", "error_after", "kill_before", "kill_after")


class Killed(BaseException):
    """The process is no more; nothing in it may catch this."""


@dataclass
class AwsWatch:
    """Sees every call of the clients it is attached to."""

    calls: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    fault_at: int | None = None
    """The call (from 0) at which `fault` strikes, once."""
    fault: FaultKind = "error_before"
    on_call: Callable[[str, int], None] | None = None
    """Called before each call with its name and number."""
    _struck: bool = False
    _one_at_a_time: RLock = field(default_factory=RLock)
    """The emulator is not made for threads; the real thing serializes what touches the same item."""

    def attach(self, client: Any) -> None:
        """Watch a boto3 client."""
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"provide-client-params.{service}.*", self._sizes)
        client.meta.events.register(f"before-call.{service}.*", self._before)
        client.meta.events.register(f"after-call.{service}.*", self._after)
        client.meta.events.register(f"after-call-error.{service}.*", self._release)

    def reset(self, fault_at: int | None = None, fault: FaultKind = "error_before") -> None:
        """Count from 0 again, with a fault at call `fault_at`."""
        self.calls.clear()
        self.writes.clear()
        self.fault_at, self.fault, self._struck = fault_at, fault, False

    def _sizes(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        items = [params["Item"]] if "Item" in params else []
        wanted = params.get("TransactItems", [])
        items += [entry["Put"]["Item"] for entry in wanted if "Put" in entry]
        keys = [params["Key"]] if isinstance(params.get("Key"), dict) else []  # S3 has keys of its own
        keys += [part["Key"] for entry in wanted for part in entry.values() if "Key" in part]
        _require_possible(keys + [{name: item[name] for name in ("pk", "sk") if name in item} for item in items])
        sizes = [item_bytes(item) for item in items]
        assert all(size < MAX_ITEM_BYTES for size in sizes), f"an item of {max(sizes)} bytes"
        assert len(wanted) <= MAX_TRANSACTION_ITEMS
        assert sum(sizes) < MAX_TRANSACTION_BYTES

    def _before(self, model: Any, **_: Any) -> None:
        number = len(self.calls)
        self.calls.append(model.name)
        if model.name in {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "SendMessage"}:
            self.writes.append(model.name)
        if self.on_call:
            self.on_call(model.name, number)
        if number == self.fault_at and not self._struck and self.fault.endswith("before"):
            self._strike()
        self._one_at_a_time.acquire()

    def _release(self, **_: Any) -> None:
        self._one_at_a_time.release()

    def _after(self, model: Any, http_response: Any, parsed: Any, **_: Any) -> None:
        self._release()
        if len(self.calls) - 1 == self.fault_at and not self._struck and self.fault.endswith("after"):
            self._strike()

    def _strike(self) -> None:
        self._struck = True
        if self.fault.startswith("kill"):
            raise Killed
        raise (ConnectTimeoutError if self.fault.endswith("before") else ReadTimeoutError)(endpoint_url="aws")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Neither count nor strike: the test itself looks."""
        calls, fault_at, on_call = list(self.calls), self.fault_at, self.on_call
        self.fault_at, self.on_call = None, None
        yield
        self.calls[:], self.fault_at, self.on_call = calls, fault_at, on_call


def _require_possible(keys: list[dict[str, Any]]) -> None:
    """DynamoDB refuses longer ones, also to read."""
    for key in keys:
        for name, value in key.items():
            size = len(value["S"].encode()) if "S" in value else 0
            assert size <= (MAX_SORT_KEY_BYTES if name == "sk" else MAX_PARTITION_KEY_BYTES), f"a key of {size} bytes"


def item_bytes(item: Any) -> int:
    """About the size that DynamoDB counts."""
    total = 0
    for name, value in item.items():
        total += len(name.encode()) + _value_bytes(value)
    return total


def _value_bytes(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "M":
        return 3 + sum(len(k.encode()) + _value_bytes(v) for k, v in content.items())
    if kind == "L":
        return 3 + sum(_value_bytes(v) for v in content)
    if kind == "B":
        return len(content)
    return len(str(content).encode())
