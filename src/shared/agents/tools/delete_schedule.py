"""`delete_schedule`: it fires no more."""

from typing import ClassVar

from pydantic import Field

from shared.agents.scheduling import Scheduling
from shared.agents.tools.schedule_answers import ScheduleDeleted
from shared.kernel.errors import Retryable, ToolError
from shared.tools.contract import Tool, ToolContext, ToolInput


class DeleteScheduleInput(ToolInput):
    """Which."""

    schedule_id: str = Field(min_length=1, max_length=64)


class DeleteSchedule(Tool[DeleteScheduleInput]):
    """Takes a schedule away; what it has started goes on."""

    name: ClassVar[str] = "delete_schedule"
    description: ClassVar[str] = "Delete a schedule. What it has started goes on."
    input_model: ClassVar[type[ToolInput]] = DeleteScheduleInput
    requires_auth: ClassVar[bool] = True
    trusted_only: ClassVar[bool] = True

    def __init__(self, scheduling: Scheduling) -> None:
        self._scheduling = scheduling

    def run(self, context: ToolContext, arguments: DeleteScheduleInput) -> ScheduleDeleted:
        """Delete it."""
        if context.dry_run:
            raise ToolError("Nothing is deleted in a dry run.", code="dry_run")
        try:
            gone = self._scheduling.delete(context.user_id, arguments.schedule_id)
        except Retryable as error:
            raise ToolError(error.message, code=error.code) from error
        if gone is None:
            raise ToolError("There is no such schedule; list_schedules has them.", code="schedule_not_found")
        return ScheduleDeleted(schedule_id=gone.id, name=gone.name, message="It fires no more.")
