"""A file of the workspace, written."""

import mimetypes
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import (
    Block,
    BlockContext,
    BlockInput,
    BlockOutput,
    BlockServices,
    Category,
    Example,
)
from shared.agents.blocks.rules.json_text import to_bytes
from shared.kernel.errors import ToolError
from shared.tools.workspace.paths import TOOL_OUTPUTS, is_tool_output, normal_path

MOST_BYTES = 1_000_000


class StoreFileInput(BlockInput):
    """What to keep, and where."""

    path: str = Field(min_length=1, max_length=600, description="Relative path, such as reports/today.md")
    content: Any = Field(description="Text, or any JSON value.")
    overwrite: bool = Field(default=True, description="Replace the file if it exists.")


class StoreFileOutput(BlockOutput):
    """The file is kept."""

    path: str = ""
    size: int = 0


class StoreFile(Block[StoreFileInput, StoreFileOutput]):
    """Keeps a value in the workspace of the session."""

    id: ClassVar[str] = "bb2d0022-7a63-4f0b-923c-3188b941b46b"
    name: ClassVar[str] = "Store a file"
    description: ClassVar[str] = "Keep a text or a JSON value as a file of the workspace."
    category: ClassVar[Category] = "files"
    input_model: ClassVar[type[BlockInput]] = StoreFileInput
    output_model: ClassVar[type[BlockOutput]] = StoreFileOutput
    examples: ClassVar[Sequence[Example]] = (
        Example({"path": "notes/plan.md", "content": "Go on"}, {"path": ["notes/plan.md"], "size": [5]}),
        Example({"path": "data.json", "content": [1, 2]}, {"path": ["data.json"], "size": [6]}),
    )

    def is_available(self, services: BlockServices) -> bool:
        """With a bucket."""
        return services.files is not None

    def run(self, context: BlockContext, inputs: StoreFileInput) -> StoreFileOutput:
        """Write it, once for each execution."""
        path, body = _path(inputs), to_bytes(inputs.content, MOST_BYTES)
        assert context.services.files is not None, "it is not available without"
        kind = mimetypes.guess_type(path, strict=False)[0] or "text/plain"
        change = context.services.files.write(context.call, path, body, kind, overwrite=inputs.overwrite)
        return StoreFileOutput(path=change.path, size=change.size)

    def rehearse(self, context: BlockContext, inputs: StoreFileInput) -> StoreFileOutput:  # noqa: ARG002 - not kept
        """Without writing."""
        return StoreFileOutput(path=_path(inputs), size=len(to_bytes(inputs.content, MOST_BYTES)))


def _path(inputs: StoreFileInput) -> str:
    path = normal_path(inputs.path)
    if is_tool_output(path):
        raise ToolError(f"{TOOL_OUTPUTS}/ is where Parley keeps tool outputs; choose another.", code="path_invalid")
    return path
