"""What a turn may call: the deployment's tools within its session's permissions.

What is not allowed is hidden from the model, and refused again when it is called nevertheless: hiding alone
enforces nothing. Reading a kept tool output stays allowed, because the output itself was.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.accounts.permissions import Permissions
from shared.accounts.users import is_guest
from shared.chat.approvals import Approval
from shared.chat.services import TurnEngine
from shared.chat.transcript import ToolCall
from shared.kernel.errors import ToolError
from shared.tasks.records import Task
from shared.tools.contract import GUIDE_TOOL, ErrorResponse, NeedLogin, Tool, ToolInput, ToolResponse
from shared.tools.read_workspace_file import ReadWorkspaceFile
from shared.tools.workspace.paths import is_tool_output, normal_path

MOST_ASKED = 16
"""Requests for approval in one step: what they write must fit into one transaction."""
KEPT_OUTPUT = '"type":"output_too_large"'
"""How the row of an output that was kept elsewhere begins."""


class Offer:
    """The tools of one turn."""

    def __init__(
        self,
        engine: TurnEngine,
        task: Task,
        answers: Mapping[str, Approval] | None = None,
        *,
        guide_was_read: bool = False,
    ) -> None:
        """`answers` are the user's, by call id, to what the turn that this one resumes has asked.

        `guide_was_read` before the step whose calls are made.
        """
        self._toolbox = engine.toolbox
        self._task = task
        self._answers = answers or {}
        self._guide_was_read = guide_was_read
        self._permissions = Permissions.from_item(task.permissions)
        self._needing_approval = engine.tools_needing_approval | self._permissions.needs_approval

    @property
    def names(self) -> list[str]:
        """The tools that may be used."""
        allowed = self._permissions.allowed(self._toolbox.names)
        return sorted(name for name in allowed if not self._is_kept_from(self._toolbox.get(name)))

    @property
    def permissions(self) -> Permissions:
        """What binds the turn."""
        return self._permissions

    def schemas(self, messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What the model is told of them; `messages` are what it is given besides."""
        offered = set(self.names)
        if any(said["role"] == "tool" and KEPT_OUTPUT in said["content"][:200] for said in messages):
            offered.add(ReadWorkspaceFile.name)
        return self._toolbox.schemas(offered)

    def tool(self, call: ToolCall) -> Tool[Any] | None:
        """The tool that the call names, whether it may be used or not; None if there is none."""
        return self._toolbox.get(call.name)

    def refusal(self, call: ToolCall) -> ToolResponse | None:
        """The answer to a call that is not made at all; None if it may be."""
        answer = self._answers.get(call.id)
        if answer is not None and answer.answer is not None:
            return answer.answer
        tool = self.tool(call)
        if tool is None:
            return self._no_such_tool(call, "unknown_tool")
        if not self._permissions.allows_tool(tool.name) and not _reads_kept_output(call):
            return self._no_such_tool(call, "tool_not_allowed")
        if self._is_kept_from(tool):
            return ErrorResponse(
                code="foreign_agent",
                message="What another user has made can't do that: it changes what later acts for the user unasked.",
            )
        if tool.requires_auth and is_guest(self._task.user_id):
            return NeedLogin(message="This needs a user who has signed in. Ask the user to sign in, and go on without.")
        if tool.needs_guide and not self._guide_was_read:
            return ErrorResponse(
                code="guide_required",
                message=f"Nothing was done: call {GUIDE_TOOL} first, read its answer, and then call this again.",
            )
        if tool.side_effect and self._task.dry_run:
            return ErrorResponse(code="dry_run", message="Nothing may take effect in this session: it is a dry run.")
        if answer is None and self._needs_approval(tool, call):
            return ErrorResponse(
                code="too_many_approvals",
                message=f"The user is asked about {MOST_ASKED} calls at once. Ask for this one again afterwards.",
            )
        return None

    def once(self, call: ToolCall) -> bool:
        """Whether the call must not be repeated when its outcome is unknown: the user has approved one."""
        tool = self.tool(call)
        if call.id in self._answers or tool is None:
            return call.id in self._answers
        given = _arguments(tool, call)
        return tool.side_effect or (given is not None and tool.takes_effect(given))

    def to_ask(self, calls: Mapping[int, ToolCall]) -> dict[int, ToolCall]:
        """Those of the calls (by their place) that the user must be asked about before they are made."""
        found = {seq: call for seq, call in calls.items() if self._is_to_ask(call)}
        return dict(sorted(found.items())[:MOST_ASKED])

    def _is_to_ask(self, call: ToolCall) -> bool:
        if call.id in self._answers:
            return False
        refused = self.refusal(call)
        return isinstance(refused, ErrorResponse) and refused.code == "too_many_approvals"

    def _needs_approval(self, tool: Tool[Any], call: ToolCall) -> bool:
        """Nobody is asked about a call that can't be made."""
        asked = tool.needs_approval or tool.name in self._needing_approval
        return asked and _arguments(tool, call) is not None

    def _is_kept_from(self, tool: Tool[Any] | None) -> bool:
        return self._task.is_foreign and tool is not None and tool.trusted_only

    def _no_such_tool(self, call: ToolCall, code: str) -> ErrorResponse:
        return ErrorResponse(
            code=code, message=f"There is no tool {call.name[:100]!r}. There are: {', '.join(self.names)}."
        )


def _arguments(tool: Tool[Any], call: ToolCall) -> ToolInput | None:
    """The call's arguments; None if the tool would not take them."""
    try:
        return tool.input_model.model_validate(json.loads(call.arguments or "{}"))
    except (ValueError, RecursionError, ToolError):
        return None


def _reads_kept_output(call: ToolCall) -> bool:
    if call.name != ReadWorkspaceFile.name:
        return False
    try:
        path = json.loads(call.arguments or "{}")["path"]
        return is_tool_output(normal_path(path))
    except (ToolError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
