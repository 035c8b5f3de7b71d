"""What an MCP server says, as something that a transcript can hold. Imported at the first call only."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from mcp import Client
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)

MAX_TOOLS = 100
_MAX_PAGES = 10
_MAX_DESCRIPTION = 1_000
_MAX_SCHEMA_BYTES = 8_000
_MAX_LIST_BYTES = 50_000


async def list_tools(client: Client) -> tuple[list[dict[str, Any]], bool]:
    """The server's tools, and whether these are all."""
    found: list[dict[str, Any]] = []
    size, cursor = 0, None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            described = _described(tool)
            size += _size(described)
            if len(found) >= MAX_TOOLS or size > _MAX_LIST_BYTES:
                return found, False
            found.append(described)
        cursor = page.next_cursor
        if not cursor:
            return found, True
    return found, False


async def call_tool(client: Client, name: str, arguments: Mapping[str, Any], seconds: float) -> CallToolResult:
    """The tool's result."""
    return await client.call_tool(name, dict(arguments), read_timeout_seconds=seconds)


def text_in(result: CallToolResult) -> str:
    """Everything that the result says in words; what else it has is named."""
    return "\n".join(_text(block) for block in result.content)


def _described(tool: Tool) -> dict[str, Any]:
    schema: dict[str, Any] | None = tool.input_schema
    if _size(schema) > _MAX_SCHEMA_BYTES:
        schema = None
    described: dict[str, Any] = {
        "name": tool.name,
        "description": (tool.description or "")[:_MAX_DESCRIPTION],
        "input_schema": schema,
    }
    return described


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return f"[{block.type}, {block.mime_type}, {_bytes(block.data)} bytes, not shown]"
        case ResourceLink():
            return f"[resource {block.uri}]"
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return resource.text
        case EmbeddedResource(resource=BlobResourceContents() as resource):
            return f"[resource {resource.uri}, {_bytes(resource.blob)} bytes, not shown]"
    return f"[{block.type}, not shown]"


def _bytes(data: str) -> int:
    return len(base64.b64decode(data + "=="))


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
