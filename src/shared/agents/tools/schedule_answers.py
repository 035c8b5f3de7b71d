"""Schedules as tools answer them."""

from typing import Literal

from pydantic import BaseModel

from shared.agents.scheduling import ScheduleKind, ScheduleStatus, ScheduleView
from shared.tools.contract import ToolResponse


class ShownSchedule(BaseModel):
    """A schedule. `next_run` is on the clocks of the user's time zone."""

    schedule_id: str
    name: str
    kind: ScheduleKind
    status: ScheduleStatus
    reason: str | None
    cron: str | None
    timezone: str
    next_run: str | None
    library_agent_id: str | None
    graph_id: str | None
    session_id: str | None
    prompt: str | None
    """How a follow-up's message begins."""
    last_error: str | None


class ScheduleList(ToolResponse):
    """The user's schedules, the oldest first."""

    type: Literal["schedule_list"] = "schedule_list"
    schedules: list[ShownSchedule]
    count: int


class ScheduleDeleted(ToolResponse):
    """It fires no more."""

    type: Literal["schedule_deleted"] = "schedule_deleted"
    schedule_id: str
    name: str


class FollowUpScheduled(ToolResponse):
    """The message will be sent."""

    type: Literal["followup_scheduled"] = "followup_scheduled"
    schedule: ShownSchedule


def shown(schedule: ScheduleView) -> ShownSchedule:
    """What the model sees of it."""
    return ShownSchedule(
        schedule_id=schedule.id,
        name=schedule.name,
        kind=schedule.kind,
        status=schedule.status,
        reason=schedule.reason or None,
        cron=schedule.cron or None,
        timezone=schedule.timezone,
        next_run=schedule.next_fire_shown or None,
        library_agent_id=schedule.library_agent_id or None,
        graph_id=schedule.graph_id or None,
        session_id=schedule.session_id or None,
        prompt=schedule.message or None,
        last_error=schedule.last_error or None,
    )
