"""From where a sub-session is to what the model is told: an answer, or a wait for one."""

from collections.abc import Sequence

from shared.kernel.clock import Clock, to_millis
from shared.tasks.run_state import Followed, MadeCall, RunState, RunStatus
from shared.tasks.wait import Wait, task_awaited
from shared.tools.contract import ToolContext
from shared.tools.sub_sessions.contract import (
    PROGRESS_CHARACTERS,
    Row,
    SubSessionCall,
    SubSessionProgress,
    SubSessionResult,
    SubSessionRow,
    SubSessions,
    TokenUsage,
)

_MOST_CALLS = 50

_MESSAGES: dict[RunStatus, str] = {
    "completed": "The sub-session has answered. Don't start it again for the same.",
    "cancelled": "The sub-session was stopped before it had answered.",
    "error": "The sub-session failed before it had answered; `error` says why.",
    "running": "The sub-session is still at work, and goes on by itself. Don't poll and don't start it again: do what "
    "does not depend on it, or call get_sub_session_result with wait_if_running; that costs nothing while it waits, "
    "and answers as soon as there is a result.",
    "queued": "The sub-session is busy; your message waits for it and will be heard. Don't send it again: call "
    "get_sub_session_result with wait_if_running when you need the answer.",
}
_LEFT = "The turn that ran has failed before it heard your message; the next one in this sub-session hears it."


class Following:
    """Follows turns of sub-sessions for a tool."""

    def __init__(self, sub_sessions: SubSessions, clock: Clock) -> None:
        self._sub_sessions = sub_sessions
        self._clock = clock

    def deadline(self, seconds: int) -> int:
        """So many seconds from now, in milliseconds since the epoch."""
        return to_millis(self._clock.now()) + seconds * 1000

    def answer(self, context: ToolContext, followed: Followed, until: int) -> SubSessionResult | Wait:
        """What it has answered; where it is if `until` has come; else wait for the one or the other."""
        state = self._sub_sessions.look(context, followed)
        if state.awaits is not None and to_millis(self._clock.now()) < until:
            return Wait((task_awaited(state.awaits),), until, note={"until": until, "followed": followed.to_note()})
        return _told(state)


def progress_of(rows: Sequence[Row]) -> SubSessionProgress:
    """The last rows, as the model is shown them."""
    shown = [SubSessionRow(role=row.role, content=_cut(row.text), tool_name=row.tool_name or None) for row in rows]
    return SubSessionProgress(message_count=rows[-1].seq + 1 if rows else 0, last_messages=shown)


def _told(state: RunState) -> SubSessionResult:
    ended = state.status in {"completed", "cancelled", "error"}
    left = state.status == "queued" and state.awaits is None
    spend = state.spend
    return SubSessionResult(
        message=_LEFT if left else _MESSAGES[state.status],
        status=state.status,
        sub_session_id=state.session_id,
        link=f"/#chat={state.session_id}",
        response=state.response if ended else None,
        error=state.error or None,
        tool_calls=[_call(made) for made in state.tool_calls[-_MOST_CALLS:]],
        usage=TokenUsage(
            prompt_tokens=spend.prompt_tokens, completion_tokens=spend.completion_tokens, total_tokens=spend.tokens
        )
        if ended
        else None,
    )


def _call(made: MadeCall) -> SubSessionCall:
    return SubSessionCall(
        tool_name=made.name,
        tool_call_id=made.id,
        arguments=_cut(made.arguments),
        output=_cut(made.output),
        success=not made.is_error,
    )


def _cut(text: str) -> str:
    return text if len(text) <= PROGRESS_CHARACTERS else text[: PROGRESS_CHARACTERS - 1] + "…"
