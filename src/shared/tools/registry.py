"""Which tools there are."""

import json
from collections.abc import Container, Iterable
from typing import Any

from shared.tools.contract import Tool

MAX_SCHEMA_CHARACTERS = 32_000
"""All schemas together; they are sent with every model call."""


class Toolbox:
    """The tools on offer, by name."""

    def __init__(self, tools: Iterable[Tool[Any]]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def get(self, name: str) -> Tool[Any] | None:
        """The tool of that name, or None."""
        return self._tools.get(name)

    @property
    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self._tools)

    def schemas(self, offered: Container[str] | None = None) -> list[dict[str, Any]]:
        """What the model is told of those `offered` (None: all), in the provider's form."""
        return [_schema(self._tools[name]) for name in self.names if offered is None or name in offered]


def _schema(tool: Tool[Any]) -> dict[str, Any]:
    parameters = tool.input_model.model_json_schema()
    parameters.pop("title", None)
    parameters.pop("description", None)
    for field in parameters.get("properties", {}).values():
        field.pop("title", None)
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def schema_characters(toolbox: Toolbox) -> int:
    """How long all schemas are together."""
    return len(json.dumps(toolbox.schemas()))
