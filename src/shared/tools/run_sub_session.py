"""`run_sub_session`: another conversation with the same tools, for a piece of work that stands alone."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from shared.kernel.clock import Clock
from shared.tasks.run_state import Followed
from shared.tasks.wait import Wait
from shared.tools.contract import Tool, ToolContext, ToolInput
from shared.tools.sub_sessions.contract import (
    DEFAULT_WAIT_SECONDS,
    Assignment,
    SessionId,
    SubSessionResult,
    SubSessions,
    WaitSeconds,
)
from shared.tools.sub_sessions.following import Following


class RunSubSessionInput(ToolInput):
    """What it shall do."""

    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64_000)] = Field(
        description="The whole task: it knows nothing of this conversation."
    )
    system_context: str = Field(default="", max_length=32_000, description="Background that is not part of the task.")
    sub_session_id: SessionId | None = Field(default=None, description="One to go on with. None: a new one.")
    wait_for_result: WaitSeconds = Field(
        default=DEFAULT_WAIT_SECONDS, description="Seconds to wait for the answer; 0 returns at once."
    )


class RunSubSession(Tool[RunSubSessionInput]):
    """Starts a turn of its own, and waits for it without holding anything."""

    name: ClassVar[str] = "run_sub_session"
    description: ClassVar[str] = (
        "Have a sub-session do a self-contained task with the same tools and permissions; several at once for "
        "parallel work. Answers with its response, or with its status when the wait is over: then use "
        "get_sub_session_result."
    )
    input_model: ClassVar[type[ToolInput]] = RunSubSessionInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, sub_sessions: SubSessions, clock: Clock) -> None:
        self._sub_sessions = sub_sessions
        self._following = Following(sub_sessions, clock)

    def run(self, context: ToolContext, arguments: RunSubSessionInput) -> SubSessionResult | Wait:
        """Start it; the same call starts it once, however often it runs."""
        assignment = Assignment(arguments.prompt, arguments.system_context, arguments.sub_session_id)
        until = self._following.deadline(arguments.wait_for_result)
        return self._following.answer(context, self._sub_sessions.begin(context, assignment), until)

    def resume(
        self,
        context: ToolContext,
        arguments: RunSubSessionInput,  # noqa: ARG002 - the note has what matters
        note: Mapping[str, Any],
    ) -> SubSessionResult | Wait:
        """It has ended, or the time has."""
        return self._following.answer(context, Followed.from_note(note["followed"]), note["until"])
