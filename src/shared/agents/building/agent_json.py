"""`agent_json` as a model gives it: the object itself, its text, or a file of the session that holds it."""

import json
from typing import Any

from shared.agents.building.graph_answers import graph_in
from shared.agents.graphs.model import MAX_GRAPH_BYTES
from shared.kernel.errors import ToolError
from shared.tools.contract import ToolContext
from shared.tools.workspace.outputs import ToolOutputs
from shared.tools.workspace.paths import SCHEME, is_tool_output, normal_path
from shared.tools.workspace.store import Workspace, no_such_file

AgentJson = dict[str, Any] | str
AGENT_JSON = "The agent: its graph as JSON, or a file that holds it (workspace://agent.json). 1 MB at most."
_MAX_FILE_BYTES = 2 * MAX_GRAPH_BYTES
"""A file may be written more widely than what is kept."""


class AgentJsonReader:
    """Reads it; a call's arguments have at most 80,000 bytes, and larger agents come as files."""

    def __init__(self, workspace: Workspace | None, outputs: ToolOutputs | None) -> None:
        """None: this deployment keeps no files."""
        self._workspace = workspace
        self._outputs = outputs

    def read(self, context: ToolContext, given: AgentJson) -> dict[str, Any]:
        """The object that is meant to be a graph.

        Raises:
            ToolError: `agent_json_invalid`, `agent_json_too_large`, or the file can't be read.
        """
        found = graph_in(self.opened(context, given))
        if found is None:
            message = "agent_json holds no JSON object; send the graph, with nodes and links."
            raise ToolError(message, code="agent_json_invalid")
        if len(json.dumps(found, ensure_ascii=False).encode(errors="replace")) > MAX_GRAPH_BYTES:
            raise _too_large()
        return found

    def opened(self, context: ToolContext, given: AgentJson) -> AgentJson:
        """What was given, or the text of the file that it names.

        Raises:
            ToolError: the file can't be read.
        """
        if isinstance(given, str) and given.strip().startswith(SCHEME):
            return self._file(context, given.strip())
        return given

    def _file(self, context: ToolContext, written: str) -> str:
        path = normal_path(written)
        body = self._kept_output(context, path) if is_tool_output(path) else self._own(context, path)
        if body is None:
            raise no_such_file(path)
        return body.decode(errors="replace")

    def _own(self, context: ToolContext, path: str) -> bytes | None:
        file = self._workspace.find(context.session_id, path) if self._workspace else None
        if file is None or self._workspace is None:
            return None
        if file.size > _MAX_FILE_BYTES:
            raise _too_large()
        return self._workspace.read(context.session_id, file)

    def _kept_output(self, context: ToolContext, path: str) -> bytes | None:
        if self._outputs is None:
            return None
        kept = self._outputs.find(context.user_id, context.session_id, path)
        if kept is not None and kept.size > _MAX_FILE_BYTES:
            raise _too_large()
        return self._outputs.read(context.user_id, context.session_id, path, 0, None) if kept else None


def _too_large() -> ToolError:
    return ToolError(f"An agent has at most {MAX_GRAPH_BYTES} bytes of JSON.", code="agent_json_too_large")
