"""`list_schedules`: what will happen by itself, and when."""

from typing import ClassVar

from pydantic import Field

from shared.agents.scheduling import Scheduling
from shared.agents.tools.schedule_answers import ScheduleList, shown
from shared.tools.contract import Tool, ToolContext, ToolInput


class ListSchedulesInput(ToolInput):
    """Of which agent."""

    library_agent_id: str = Field(default="", max_length=64, description="Empty: of all agents, and follow-ups.")
    graph_id: str = Field(default="", max_length=64)


class ListSchedules(Tool[ListSchedulesInput]):
    """Reads the user's schedules."""

    name: ClassVar[str] = "list_schedules"
    description: ClassVar[str] = "List the user's schedules of agents and follow-ups, with their next runs."
    input_model: ClassVar[type[ToolInput]] = ListSchedulesInput
    requires_auth: ClassVar[bool] = True

    def __init__(self, scheduling: Scheduling) -> None:
        self._scheduling = scheduling

    def run(self, context: ToolContext, arguments: ListSchedulesInput) -> ScheduleList:
        """Look."""
        found = self._scheduling.list(context.user_id, arguments.library_agent_id, arguments.graph_id)
        return ScheduleList(schedules=[shown(schedule) for schedule in found], count=len(found))
