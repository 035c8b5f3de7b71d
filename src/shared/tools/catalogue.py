"""The tools that Parley ships."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.accounts.credentials.vault import Vault
from shared.accounts.profile import Profiles
from shared.aws.database import Database
from shared.aws.objects import Objects
from shared.kernel.clock import Clock
from shared.kernel.settings import ToolSettings
from shared.tools.add_understanding import AddUnderstanding
from shared.tools.check_operation_status import CheckOperationStatus
from shared.tools.contract import Tool
from shared.tools.deep_research import DeepResearch
from shared.tools.delete_workspace_file import DeleteWorkspaceFile
from shared.tools.docs.library import Library, shipped_folder
from shared.tools.get_current_time import GetCurrentTime
from shared.tools.get_doc_page import GetDocPage
from shared.tools.get_sub_session_result import GetSubSessionResult
from shared.tools.list_workspace_files import ListWorkspaceFiles
from shared.tools.mcp.servers import McpServers
from shared.tools.read_workspace_file import ReadWorkspaceFile
from shared.tools.run_external_operation import external_operation_tools
from shared.tools.run_mcp_tool import mcp_tools
from shared.tools.run_sub_session import RunSubSession
from shared.tools.search_docs import SearchDocs
from shared.tools.sub_sessions.contract import SubSessions
from shared.tools.web_fetch import WebFetch
from shared.tools.workspace.outputs import ToolOutputs
from shared.tools.workspace.store import Workspace
from shared.tools.write_workspace_file import WriteWorkspaceFile


@dataclass(frozen=True)
class ToolDependencies:
    """What tools are made of."""

    settings: ToolSettings
    database: Database
    clock: Clock
    read_secret: Callable[[str], str]
    objects: Objects | None
    """The workspace bucket; without one there are no file tools."""
    sub_sessions: SubSessions
    """Runs the turns that a turn starts for itself."""
    credentials: Vault | None = None
    """None: this deployment keeps no users' credentials."""


def all_tools(needs: ToolDependencies) -> list[Tool[Any]]:
    """One instance of each that this deployment can offer."""
    library = Library(shipped_folder(needs.settings.docs_dir))
    return [
        WebFetch(),
        GetCurrentTime(needs.clock),
        SearchDocs(library),
        GetDocPage(library),
        AddUnderstanding(Profiles(needs.database, needs.clock)),
        RunSubSession(needs.sub_sessions, needs.clock),
        GetSubSessionResult(needs.sub_sessions, needs.clock),
        *_workspace_tools(needs),
        CheckOperationStatus(needs.database),
        DeepResearch(WebFetch()),
        *external_operation_tools(needs.settings.operation_services),
        *mcp_tools(McpServers(needs.settings.mcp_servers, needs.read_secret)),
    ]


def _workspace_tools(needs: ToolDependencies) -> Sequence[Tool[Any]]:
    if needs.objects is None:
        return []
    workspace = Workspace(needs.database, needs.objects, needs.clock, needs.settings.workspace_quota_bytes)
    return [
        ListWorkspaceFiles(workspace),
        ReadWorkspaceFile(workspace, ToolOutputs(needs.objects)),
        WriteWorkspaceFile(workspace),
        DeleteWorkspaceFile(workspace),
    ]
