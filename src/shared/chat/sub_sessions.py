"""Sub-sessions: the turns that a turn starts for itself, in sessions of the same user.

A call that runs again after a kill finds what it began: the ids of the new session and of the message are
made from the call's.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from shared.chat.cancel import cancel_turn
from shared.chat.opening import Submission
from shared.chat.run_and_wait import RunAndWait, recent_rows
from shared.chat.services import Services
from shared.chat.sessions import create_sub_session, owned_session
from shared.kernel.analytics import sub_session_started
from shared.kernel.errors import Conflict, LimitReached, NotFound, Retryable, ToolError
from shared.kernel.ids import derived_id
from shared.tasks.lineage import MAX_DEPTH, Lineage, ancestors, inherited
from shared.tasks.records import Task
from shared.tasks.run_state import Followed, RunState
from shared.tasks.store import get_task
from shared.tools.contract import ToolContext
from shared.tools.sub_sessions.contract import PROGRESS_ROWS, Assignment, Row

_ATTEMPTS = 4
_PAUSE_SECONDS = 0.25

ResultT = TypeVar("ResultT")


class SubSessionTurns:
    """What the tools about sub-sessions are given (`tools.sub_sessions.contract.SubSessions`)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = RunAndWait(services, limited=False)

    def begin(self, context: ToolContext, assignment: Assignment) -> Followed:
        """Have the assignment heard, once a call."""
        return self._persistently(lambda: self._begin(context, assignment))

    def latest(self, context: ToolContext, session_id: str) -> Followed:
        """The turn that runs, or else the last one."""
        return self._persistently(lambda: self._latest(context, session_id))

    def look(self, context: ToolContext, followed: Followed) -> RunState:
        """Where a turn is."""
        return self._persistently(lambda: self._turns.look(context.user_id, followed))

    def cancel(self, context: ToolContext, session_id: str) -> None:
        """Stop the turn that runs."""
        self._persistently(lambda: self._cancel(context, session_id))

    def recent(self, context: ToolContext, session_id: str) -> Sequence[Row]:
        """The last rows, in order."""
        rows = self._persistently(lambda: recent_rows(self._services, context.user_id, session_id, PROGRESS_ROWS))
        return [Row(row.seq, row.role, row.content, row.tool_name) for row in rows]

    def _persistently(self, work: Callable[[], ResultT]) -> ResultT:
        """Everything here may be repeated; a child whose parent never hears of it would be worse."""
        with _told_to_the_model():
            for _ in range(_ATTEMPTS - 1):
                try:
                    return work()
                except Retryable:
                    self._services.clock.sleep(_PAUSE_SECONDS)
            return work()

    def _begin(self, context: ToolContext, assignment: Assignment) -> Followed:
        caller = self._caller(context)
        if caller.depth >= MAX_DEPTH:
            raise ToolError(f"Sub-sessions go {MAX_DEPTH} deep at most: do this here.", code="sub_session_too_deep")
        session_id = assignment.session_id or self._new_session(context, caller)
        self._refuse_ancestor(caller, session_id)
        followed = self._turns.begin(context.user_id, session_id, _message(context, assignment, inherited(caller)))
        if not followed.message_id:
            sub_session_started(context.ids, session_id)
        return followed

    def _new_session(self, context: ToolContext, caller: Task) -> str:
        database, clock = self._services.database, self._services.clock
        owned_session(database, context.session_id, context.user_id)
        session_id = derived_id("sub-session", context.task_id, context.tool_call_id)
        return create_sub_session(database, clock, caller, session_id).id

    def _latest(self, context: ToolContext, session_id: str) -> Followed:
        self._refuse_ancestor(self._caller(context), session_id)
        found = self._turns.latest(context.user_id, session_id)
        if found is None:
            raise ToolError("Nothing was asked in this session yet.", code="sub_session_empty")
        return found

    def _cancel(self, context: ToolContext, session_id: str) -> None:
        self._refuse_ancestor(self._caller(context), session_id)
        cancel_turn(self._services, context.user_id, session_id)

    def _caller(self, context: ToolContext) -> Task:
        task = get_task(self._services.database, context.task_id)
        assert task is not None, "the turn that calls is there"
        return task

    def _refuse_ancestor(self, caller: Task, session_id: str) -> None:
        """A turn that waits for itself, or for one that waits for it, only ends with its deadline."""
        if any(task.session_id == session_id for task in ancestors(self._services.database, caller)):
            raise ToolError(
                "That is this conversation, or one that waits for it; use another one.", code="sub_session_is_ancestor"
            )


def _message(context: ToolContext, assignment: Assignment, lineage: Lineage) -> Submission:
    message_id = derived_id("message", context.task_id, context.tool_call_id)
    return Submission(message_id, assignment.prompt, assignment.system_context, lineage)


@contextmanager
def _told_to_the_model() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        raise ToolError("There is no such sub-session.", code="sub_session_not_found") from error
    except Conflict as error:
        message = "A turn runs there that may do or spend more than this one; wait for its end."
        raise ToolError(message, code="sub_session_busy") from error
    except LimitReached as error:
        raise ToolError(error.message, code=error.code) from error
