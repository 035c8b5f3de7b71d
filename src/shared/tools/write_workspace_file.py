"""`write_workspace_file`: keep a text or some bytes as a file of the session."""

import base64
import binascii
import mimetypes
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from shared.kernel.errors import ToolError
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.workspace.failures import told_to_the_model
from shared.tools.workspace.paths import TOOL_OUTPUTS, is_tool_output, normal_path
from shared.tools.workspace.store import Workspace

MAX_CONTENT_BYTES = 75_000
"""All arguments of a step together are cut at 80,000 bytes (`chat/turn/draft.py`)."""


class WriteWorkspaceFileInput(ToolInput):
    """What to write, and where."""

    path: str = Field(max_length=600, description="Relative path, such as notes/plan.md")
    content: str | None = Field(default=None, max_length=MAX_CONTENT_BYTES, description="Text, up to 75 KB.")
    content_base64: str | None = Field(
        default=None, max_length=MAX_CONTENT_BYTES, description="Bytes, in place of content."
    )
    overwrite: bool = Field(default=False, description="Replace the file if it exists.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_nothing(cls, given: Any) -> Any:
        """A model that runs out of tokens in the middle of a long content sends no arguments at all."""
        if not given:
            raise ToolError(
                "No arguments arrived: your call was probably truncated because the content was too long. "
                "Write a shorter file, or several smaller ones.",
                code="arguments_truncated",
            )
        return given


class WorkspaceFileWritten(ToolResponse):
    """The file is kept."""

    type: Literal["workspace_file_written"] = "workspace_file_written"
    path: str
    size: int
    replaced: bool


class WriteWorkspaceFile(Tool[WriteWorkspaceFileInput]):
    """Writes one file, once for each call, within the user's quota."""

    name: ClassVar[str] = "write_workspace_file"
    description: ClassVar[str] = (
        "Write a file into this chat's workspace, from exactly one of content (text) and content_base64. "
        "An existing file is only replaced with overwrite."
    )
    input_model: ClassVar[type[ToolInput]] = WriteWorkspaceFileInput

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def run(self, context: ToolContext, arguments: WriteWorkspaceFileInput) -> WorkspaceFileWritten:
        """Write it."""
        path = normal_path(arguments.path)
        if is_tool_output(path):
            raise ToolError(f"{TOOL_OUTPUTS}/ is where Parley keeps tool outputs; choose another.", code="path_invalid")
        body = _body(arguments)
        with told_to_the_model():
            change = self._workspace.write(
                context, path, body, _content_type(path, arguments), overwrite=arguments.overwrite
            )
        return WorkspaceFileWritten(path=change.path, size=change.size, replaced=bool(change.removed_key))


def _body(arguments: WriteWorkspaceFileInput) -> bytes:
    text, encoded = arguments.content, arguments.content_base64
    if (text is None) == (encoded is None):
        raise ToolError(
            "Give exactly one of content and content_base64. If you gave one, the call was truncated: write less.",
            code="content_missing" if text is None else "content_ambiguous",
        )
    if encoded is not None:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ToolError("content_base64 is not valid base64.", code="content_invalid") from None
    assert text is not None
    try:
        body = text.encode()
    except UnicodeEncodeError:
        raise ToolError(
            "The content holds half of a surrogate pair, which is no text.", code="content_invalid"
        ) from None
    if len(body) > MAX_CONTENT_BYTES:
        raise ToolError(
            f"The content has {len(body)} bytes; {MAX_CONTENT_BYTES} are possible in one call.",
            code="content_too_large",
        )
    return body


def _content_type(path: str, arguments: WriteWorkspaceFileInput) -> str:
    guessed, _ = mimetypes.guess_type(path, strict=False)
    return guessed or ("text/plain" if arguments.content is not None else "application/octet-stream")
