"""`delete_workspace_file`: remove a file of the session."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.kernel.errors import ToolError
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.workspace.failures import told_to_the_model
from shared.tools.workspace.paths import is_tool_output, normal_path
from shared.tools.workspace.store import Workspace


class DeleteWorkspaceFileInput(ToolInput):
    """Which file."""

    path: str = Field(max_length=600)


class WorkspaceFileDeleted(ToolResponse):
    """The file is no more."""

    type: Literal["workspace_file_deleted"] = "workspace_file_deleted"
    path: str


class DeleteWorkspaceFile(Tool[DeleteWorkspaceFileInput]):
    """Removes one file, once for each call."""

    name: ClassVar[str] = "delete_workspace_file"
    description: ClassVar[str] = "Delete a file of this chat's workspace. It can't be brought back."
    input_model: ClassVar[type[ToolInput]] = DeleteWorkspaceFileInput

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def run(self, context: ToolContext, arguments: DeleteWorkspaceFileInput) -> WorkspaceFileDeleted:
        """Delete it."""
        path = normal_path(arguments.path)
        if is_tool_output(path):
            raise ToolError("Kept tool outputs go by themselves after some days.", code="path_invalid")
        with told_to_the_model():
            change = self._workspace.delete(context, path)
        return WorkspaceFileDeleted(path=change.path)
