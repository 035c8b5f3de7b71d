"""`check_operation_status`: how an operation stands."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.aws.database import Database
from shared.kernel.errors import ToolError
from shared.tasks.records import Task, TaskStatus, operation_task
from shared.tasks.store import get_task
from shared.tools.contract import Tool, ToolContext, ToolInput, ToolResponse

_MAX_ID_CHARACTERS = 64


class CheckOperationStatusInput(ToolInput):
    """Which operation; one of the two is enough."""

    operation_id: str | None = Field(default=None, max_length=200)
    task_id: str | None = Field(default=None, max_length=200, description="Used if there is no such operation_id.")


class OperationStatus(ToolResponse):
    """How it stands; its result is in the conversation."""

    type: Literal["operation_status"] = "operation_status"
    task_id: str
    operation_id: str
    status: Literal["running", "completed", "failed"]
    tool_name: str


class CheckOperationStatus(Tool[CheckOperationStatusInput]):
    """Looks at the operation's task."""

    name: ClassVar[str] = "check_operation_status"
    description: ClassVar[str] = (
        "How a long-running operation stands: running, completed or failed. Its result comes into the conversation "
        "by itself, so ask only when the user wants to know."
    )
    input_model: ClassVar[type[ToolInput]] = CheckOperationStatusInput

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, context: ToolContext, arguments: CheckOperationStatusInput) -> OperationStatus:
        """Find it by the first id that leads to one of the user's operations."""
        named = [arguments.operation_id, arguments.task_id]
        if not any(named):
            raise ToolError("Give operation_id or task_id.", code="missing_parameter")
        for one in filter(None, named):
            task = self._find(context, one)
            if task is not None:
                return _status(task)
        raise ToolError(
            "There is no such operation. If it has ended, its result is in the conversation's history: look at the "
            "result of the call that started it.",
            code="not_found",
        )

    def _find(self, context: ToolContext, named: str) -> Task | None:
        task = get_task(self._database, operation_task(named)) if len(named) <= _MAX_ID_CHARACTERS else None
        if task is None or task.operation_id is None:
            return None
        # A guest's operations go with the session, whoever claims it.
        return task if task.session_id == context.session_id or task.user_id == context.user_id else None


def _status(task: Task) -> OperationStatus:
    status: Literal["running", "completed", "failed"] = "failed"
    if not task.status.ended:
        status, words = "running", "It is being worked on."
    elif task.status is TaskStatus.COMPLETED:
        status, words = "completed", "It has ended; its result is in the conversation's history."
    else:
        words = task.error["message"] if task.error else "It has failed."
    return OperationStatus(
        message=words, task_id=task.id, operation_id=task.operation_id or "", status=status, tool_name=task.tool_name
    )
