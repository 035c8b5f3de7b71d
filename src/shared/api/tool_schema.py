"""The schema of what tools answer, for clients that show it."""

from functools import cache
from typing import Any

from shared.agents.catalogue import shipped_tools
from shared.chat.approvals import ApprovalPending, BudgetRaised
from shared.chat.compaction import ContextCompacted
from shared.tools.contract import ErrorResponse, NeedLogin, OversizedOutput, ToolResponse
from shared.tools.long_running import OperationInProgress, OperationPending, OperationStarted
from shared.tools.responses import responses_schema

OF_ANY_TOOL: tuple[type[ToolResponse], ...] = (
    ErrorResponse,
    NeedLogin,
    OversizedOutput,
    OperationStarted,
    OperationPending,
    OperationInProgress,
    ApprovalPending,
    BudgetRaised,
    ContextCompacted,
)
"""What a call may be answered with, whatever the tool; the last one only where Parley itself has made room."""


@cache
def tool_responses_schema() -> dict[str, Any]:
    """All responses of all tools."""
    return responses_schema(shipped_tools(), OF_ANY_TOOL)
