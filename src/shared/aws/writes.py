"""Descriptions of DynamoDB writes, alone or as part of a transaction.

In expressions every attribute is written `#name` and every value `:name`; the name map is derived
from the text, so that no reserved word can bite. Attributes are strings, whole numbers, booleans,
None, bytes, lists and maps of them: never floats.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TableName = Literal["state", "chunks"]
Item = dict[str, Any]
Key = Mapping[str, str | int]

_NAME = re.compile(r"#(\w+)")


@dataclass(frozen=True)
class Put:
    """Put `item` if `condition` holds for what is there."""

    item: Item
    condition: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    table: TableName = "state"


@dataclass(frozen=True)
class Update:
    """Change the item at `key` by `expression` if `condition` holds."""

    key: Key
    expression: str
    condition: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    table: TableName = "state"


@dataclass(frozen=True)
class Delete:
    """Delete the item at `key` if `condition` holds; nothing there is fine without one."""

    key: Key
    condition: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    table: TableName = "state"


@dataclass(frozen=True)
class Check:
    """Write nothing, but require `condition` (in transactions only)."""

    key: Key
    condition: str
    values: Mapping[str, Any] = field(default_factory=dict)
    table: TableName = "state"


Write = Put | Update | Delete | Check


def names_in(*expressions: str | None) -> dict[str, str]:
    """The ExpressionAttributeNames that the expressions need."""
    return {f"#{name}": name for text in expressions if text for name in _NAME.findall(text)}
