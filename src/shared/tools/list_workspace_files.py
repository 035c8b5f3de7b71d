"""`list_workspace_files`: what files the session has."""

from itertools import accumulate
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from shared.kernel.clock import iso
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse
from shared.tools.workspace.failures import told_to_the_model
from shared.tools.workspace.paths import normal_path
from shared.tools.workspace.store import Workspace

MAX_FILES = 100
_MAX_JSON_BYTES = 50_000  # a hundred of the longest paths would be more than an answer may hold


class ListWorkspaceFilesInput(ToolInput):
    """Which files."""

    prefix: str = Field(default="", max_length=600, description="Only paths that begin so, such as notes/")
    limit: int = Field(default=50, ge=1, le=MAX_FILES)
    cursor: str | None = Field(default=None, max_length=600, description="next_cursor of the page before.")


class WorkspaceFile(BaseModel):
    """One file of the list."""

    path: str
    size: int
    content_type: str
    modified_at: str


class WorkspaceFiles(ToolResponse):
    """A page of the list, in the order of the paths."""

    type: Literal["workspace_files"] = "workspace_files"
    files: list[WorkspaceFile]
    next_cursor: str | None


class ListWorkspaceFiles(Tool[ListWorkspaceFilesInput]):
    """Lists the session's own files."""

    name: ClassVar[str] = "list_workspace_files"
    description: ClassVar[str] = "List the files in this chat's workspace: path, size in bytes, type and time."
    input_model: ClassVar[type[ToolInput]] = ListWorkspaceFilesInput

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def run(self, context: ToolContext, arguments: ListWorkspaceFilesInput) -> WorkspaceFiles:
        """One page."""
        prefix = normal_path(arguments.prefix, or_empty=True)
        if prefix and arguments.prefix.endswith("/"):
            prefix += "/"
        after = normal_path(arguments.cursor) if arguments.cursor else None
        if after is not None and not after.startswith(prefix):
            after = None  # a cursor of another list
        with told_to_the_model():
            found = self._workspace.list_files(context.session_id, prefix, arguments.limit, after)
        files = [
            WorkspaceFile(path=f.path, size=f.size, content_type=f.content_type, modified_at=iso(f.modified_at))
            for f in found.files
        ]
        shown = _fitting(files)
        cursor = shown[-1].path if len(shown) < len(files) else found.next_path
        return WorkspaceFiles(message="" if shown else "There are no such files.", files=shown, next_cursor=cursor)


def _fitting(files: list[WorkspaceFile]) -> list[WorkspaceFile]:
    """The first of them that an answer can hold."""
    sizes = accumulate(len(file.model_dump_json().encode()) for file in files)
    return [file for file, size in zip(files, sizes, strict=True) if size <= _MAX_JSON_BYTES]
