"""`get_sub_session_result`: where a sub-session is, what it has answered; or stop it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from shared.kernel.clock import Clock
from shared.tasks.wait import Wait
from shared.tools.contract import Tool, ToolContext, ToolInput
from shared.tools.sub_sessions.contract import (
    DEFAULT_WAIT_SECONDS,
    SessionId,
    SubSessionResult,
    SubSessions,
    WaitSeconds,
)
from shared.tools.sub_sessions.following import Following, progress_of


class GetSubSessionResultInput(ToolInput):
    """Which, and how patiently."""

    sub_session_id: SessionId
    wait_if_running: WaitSeconds = Field(default=DEFAULT_WAIT_SECONDS, description="Seconds; 0 returns at once.")
    cancel: bool = Field(default=False, description="Stop it instead of waiting.")
    include_progress: bool = Field(default=False, description="Add its last messages.")


class GetSubSessionResult(Tool[GetSubSessionResultInput]):
    """Tells of the turn that runs, or else of the last one."""

    name: ClassVar[str] = "get_sub_session_result"
    description: ClassVar[str] = (
        "Get the status and the response of a sub-session; if it still runs, wait for it, look at its progress, or "
        "stop it. One call with wait_if_running is better than many without."
    )
    input_model: ClassVar[type[ToolInput]] = GetSubSessionResultInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, sub_sessions: SubSessions, clock: Clock) -> None:
        self._sub_sessions = sub_sessions
        self._following = Following(sub_sessions, clock)

    def run(self, context: ToolContext, arguments: GetSubSessionResultInput) -> SubSessionResult | Wait:
        """Stop it if that is wanted, and tell of it."""
        if arguments.cancel:
            self._sub_sessions.cancel(context, arguments.sub_session_id)
        return self._answer(context, arguments, self._following.deadline(arguments.wait_if_running))

    def resume(
        self, context: ToolContext, arguments: GetSubSessionResultInput, note: Mapping[str, Any]
    ) -> SubSessionResult | Wait:
        """A turn has ended, or the time has; by now another turn may run."""
        return self._answer(context, arguments, note["until"])

    def _answer(self, context: ToolContext, arguments: GetSubSessionResultInput, until: int) -> SubSessionResult | Wait:
        latest = self._sub_sessions.latest(context, arguments.sub_session_id)
        answer = self._following.answer(context, latest, 0 if arguments.cancel else until)
        if isinstance(answer, Wait) or not arguments.include_progress:
            return answer
        rows = self._sub_sessions.recent(context, arguments.sub_session_id)
        return answer.model_copy(update={"progress": progress_of(rows)})
