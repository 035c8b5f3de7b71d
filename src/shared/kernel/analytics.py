"""What the product's owners count: each an event in the logs and a metric, without a word that anybody said.

Their failure never touches a turn: `telemetry` swallows it.
"""

from shared.kernel.events import TaskIds
from shared.kernel.telemetry import count, log_event


def message_sent(ids: TaskIds, message_length: int) -> None:
    """A user has sent a message of so many characters."""
    log_event("copilot_message_sent", **ids, message_length=message_length)
    count("CopilotMessageSent")


def tool_called(ids: TaskIds, tool_name: str, tool_call_id: str) -> None:
    """A tool of the registry begins its work."""
    log_event("copilot_tool_called", **ids, tool_name=tool_name, tool_call_id=tool_call_id)
    count("CopilotToolCalled")


def operation_started(ids: TaskIds, tool_name: str, operation_id: str) -> None:
    """A long-running tool has begun."""
    log_event("copilot_operation_started", **ids, tool_name=tool_name, operation_id=operation_id)
    count("CopilotOperationStarted")


def operation_finished(ids: TaskIds, tool_name: str, operation_id: str, status: str, seconds: float) -> None:
    """It has ended, as `status` says."""
    told = round(seconds, 3)
    log_event(
        "copilot_operation_finished",
        **ids,
        tool_name=tool_name,
        operation_id=operation_id,
        status=status,
        seconds=told,
    )
    count("CopilotOperationFinished")


def sub_session_started(ids: TaskIds, sub_session_id: str) -> None:
    """A turn has started another session for itself."""
    log_event("copilot_sub_session_started", **ids, sub_session_id=sub_session_id)
    count("CopilotSubSessionStarted")


def agent_run_success(
    ids: TaskIds, *, graph_id: str, graph_name: str, execution_id: str, library_agent_id: str
) -> None:
    """A turn has started a run of an agent."""
    log_event(
        "copilot_agent_run_success",
        **ids,
        graph_id=graph_id,
        graph_name=graph_name,
        execution_id=execution_id,
        library_agent_id=library_agent_id,
    )
    count("CopilotAgentRunSuccess")


def agent_scheduled(
    user_id: str,
    *,
    graph_id: str,
    graph_name: str,
    schedule_id: str,
    schedule_name: str,
    cron: str,
    library_agent_id: str,
) -> None:
    """A user has an agent run on a schedule."""
    log_event(
        "copilot_agent_scheduled",
        user_id=user_id,
        graph_id=graph_id,
        graph_name=graph_name,
        schedule_id=schedule_id,
        schedule_name=schedule_name,
        cron=cron,
        library_agent_id=library_agent_id,
    )
    count("CopilotAgentScheduled")
